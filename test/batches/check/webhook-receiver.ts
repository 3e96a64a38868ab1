import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import path from "node:path";
import { Webhook } from "standardwebhooks";
import type { Random } from "#test/faults/random.ts";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** Who is told of the end of items: verifies each message as docs/deferred.md says, and fails at random when it has read one. */

/** Of each team two: the receiver of one takes what it is told, sooner or later; that of the other says never. */
const CHANNEL_KINDS = ["takes", "refuses"] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** What became of a message: 204; 500, no answer at all, a cut connection, each of which may come once more; 410, and 400 of what is not signed. */
export type DeliveryAnswer = "taken" | "failed" | "hung" | "cut" | "refused";

/** A message that a channel was told, in the order in which they came. */
export type Delivery = {
	readonly channel: string;
	/** Its header `webhook-id`. */
	readonly id: string;
	/** What the verifier of the specification says against it; null: nothing. */
	readonly problem: string | null;
	readonly body: string;
	readonly answer: DeliveryAnswer;
	/** Since 1970. */
	readonly atMs: number;
};

/** A channel as its table takes it. */
export type ChannelConfig = { readonly name: string; readonly config: Readonly<Record<string, unknown>> };

type Channel = { readonly kind: ChannelKind; readonly verifier: Webhook };

/** Shares of messages; one id meets at most so many of them, so that what waits between its tries ends within the check. */
const FAULTS: Readonly<Record<"failed" | "cut" | "hung", number>> = { failed: 0.12, cut: 0.08, hung: 0.04 };
const FAULTS_MAX = 3;
const STATUSES = { taken: 204, failed: 500, refused: 410 } as const;
const UNSIGNED_STATUS = 400;

export function channelOf(teamId: string, kind: ChannelKind): string {
	return `${teamId}-${kind}`;
}

/** No process that is killed: what a sender repeats, it repeats by itself. */
export class WebhookReceiver {
	readonly deliveries: Delivery[] = [];
	private readonly folder: string;
	private readonly random: Random;
	private readonly channels = new Map<string, Channel>();
	private server: ScriptedProvider | undefined;

	private constructor(folder: string, random: Random) {
		this.folder = folder;
		this.random = random;
	}

	/** On a port of loopback. `folder` keeps the secrets. */
	static async open(folder: string, random: Random): Promise<WebhookReceiver> {
		const receiver = new WebhookReceiver(folder, random);
		receiver.server = await startScriptedProvider((call) => receiver.take(call));
		return receiver;
	}

	/** Channels of a team, each with an address and a secret of its own. */
	channelsFor(teamId: string): ChannelConfig[] {
		return CHANNEL_KINDS.map((kind) => {
			const name = channelOf(teamId, kind);
			const secret = `whsec_${randomBytes(32).toString("base64")}`;
			const secretFile = path.join(this.folder, `webhook-${name}`);
			writeFileSync(secretFile, secret, { mode: 0o600 });
			this.channels.set(name, { kind, verifier: new Webhook(secret) });
			return { name, config: { url: `${this.server?.url}/${name}`, secretFile, allowPrivate: true } };
		});
	}

	async close(): Promise<void> {
		await this.server?.close();
	}

	private take({ request, response, body }: ReceivedCall): void {
		const name = request.url?.slice(1) ?? "";
		const channel = this.channels.get(name);
		const id = String(request.headers["webhook-id"] ?? "");
		const text = body.toString();
		const problem = channel === undefined ? "there is no such channel" : problemOf(channel, { headers: request.headers, text });
		const answer = problem === null && channel !== undefined ? this.drawAnswer(channel.kind, id) : "refused";
		this.deliveries.push({ channel: name, id, problem, body: text, answer, atMs: Date.now() });
		if (problem === null) respond(response, answer);
		else response.writeHead(UNSIGNED_STATUS).end();
	}

	private drawAnswer(kind: ChannelKind, id: string): DeliveryAnswer {
		const drawn = this.random.share();
		const before = this.deliveries.filter((delivery) => delivery.id === id).length;
		const final = kind === "takes" ? "taken" : "refused";
		if (before >= FAULTS_MAX) return final;
		if (drawn < FAULTS.failed) return "failed";
		if (drawn < FAULTS.failed + FAULTS.cut) return "cut";
		return drawn < FAULTS.failed + FAULTS.cut + FAULTS.hung ? "hung" : final;
	}
}

type Message = { readonly headers: ReceivedCall["request"]["headers"]; readonly text: string };

function problemOf({ verifier }: Channel, { headers, text }: Message): string | null {
	const names = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const;
	try {
		verifier.verify(text, Object.fromEntries(names.map((name) => [name, String(headers[name] ?? "")])));
		return null;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

function respond(response: ServerResponse, answer: DeliveryAnswer): void {
	if (answer === "cut") response.destroy();
	// Whoever hears nothing gives up by himself, and closes the connection.
	else if (answer !== "hung") response.writeHead(STATUSES[answer]).end();
}
