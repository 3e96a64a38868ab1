import { createHash } from "node:crypto";
import { UnreachableError } from "#clients/errors.ts";
import type { Random } from "#test/faults/random.ts";
import { Broken } from "#test/govern/broken.ts";
import { insist } from "#test/govern/insist.ts";
import type { DeferredItem, DeferredOrder } from "./deferred-order.ts";

/** A team that hands items in alone, over the wire as it stands: what is not answered is asked again, of any gateway. */

/** A record of an item, as its team reads it. Times in milliseconds since 1970. */
export type SeenDeferred = {
	readonly id: string;
	readonly status: string;
	readonly lane: string | null;
	readonly deadlineMs: number | null;
	readonly answeredAtMs: number | null;
	readonly isLate: boolean;
	readonly heldNanoUsd: string;
	readonly costNanoUsd: string | null;
	/** The channel that is told of its end. */
	readonly webhook: string | null;
	readonly answer: SeenAnswer | null;
	/** Of the bytes that stand for its answer. */
	readonly digest: string;
};

export type SeenAnswer = {
	readonly statusCode: number;
	/** What the provider calls it; null: it is no answer of the model. */
	readonly id: string | null;
	readonly usage: unknown;
	readonly isError: boolean;
};

/** `lostAnswers`: so often nothing was heard, and it may have been accepted all the same. */
export type HandedIn = { readonly id: string | undefined; readonly lostAnswers: number };

export const FINAL = ["succeeded", "failed", "expired", "cancelled"];
const PATHS = { openai: "chat/completions", anthropic: "messages" } as const;
const MAX_TOKENS = 20;
const LIST_LIMIT = 100;
const ACCEPTED = [200, 202];
const REFUSED = 402;
/** Ask again: rates, a key in use by a request under way, and whatever is away. */
const AGAIN = [429, 502, 503, 504];
const IN_FLIGHT = "idempotency.in_flight";

type Wire = {
	readonly id: string;
	readonly object: string;
	readonly status: string;
	readonly lane: string | null;
	readonly deadline: string | null;
	readonly answered_at: string | null;
	readonly is_late: boolean;
	readonly held_nano_usd: string;
	readonly cost_nano_usd: string | null;
	readonly webhook: string | null;
	readonly answer?: { readonly status_code: number; readonly body: Readonly<Record<string, unknown>> } | null;
};

type Given = { readonly keys: readonly string[]; readonly urls: readonly string[]; readonly random: Random };
type Asking = { readonly method?: string; readonly key?: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };
type Answered = { readonly status: number; readonly text: string; readonly headers: Headers };

export class DeferredCaller {
	private readonly protocol: DeferredOrder["protocol"];
	private readonly keys: readonly string[];
	private readonly urls: readonly string[];
	private readonly random: Random;

	constructor(protocol: DeferredOrder["protocol"], { keys, urls, random }: Given) {
		this.protocol = protocol;
		this.keys = keys;
		this.urls = urls;
		this.random = random;
	}

	/** `id` undefined: its budget refused it. */
	async handIn(item: DeferredItem): Promise<HandedIn> {
		let asked = 0;
		const { status, text, headers } = await this.ask("an item to be taken", `/v1/deferred/${PATHS[this.protocol]}`, {
			method: "POST",
			key: item.key,
			headers: headersOf(item),
			body: bodyOf(item),
			onAsk: () => {
				asked += 1;
			},
		});
		const lostAnswers = asked - 1;
		if (status === REFUSED) return { id: undefined, lostAnswers };
		if (!ACCEPTED.includes(status)) throw new Broken(`${item.name} was handed in and answered ${status}: ${text}`);
		const { id, object } = JSON.parse(text) as Wire;
		if (object !== "deferred") throw new Broken(`${item.name} was handed in and is a ${object}`);
		if (headers.get("location") !== `/v1/deferred/${id}`) throw new Broken(`${id} is said to stand at ${headers.get("location") ?? "no place"}`);
		return { id, lostAnswers };
	}

	async cancel(id: string): Promise<void> {
		const { status, text } = await this.ask("a cancellation", `/v1/deferred/${id}`, { method: "DELETE" });
		if (status !== 200) throw new Broken(`${id} was cancelled and answered ${status}: ${text}`);
	}

	async read(id: string): Promise<SeenDeferred> {
		const { status, text } = await this.ask("an item", `/v1/deferred/${id}`);
		if (status !== 200) throw new Broken(`${id} was read and answered ${status}: ${text}`);
		return seenOf(text);
	}

	/** Answers when it has ended, and after `seconds` in any case. */
	async wait(id: string, seconds: number): Promise<SeenDeferred> {
		const { status, text } = await this.ask("an item that is waited for", `/v1/deferred/${id}/wait?seconds=${seconds}`);
		if (status !== 200) throw new Broken(`${id} was waited for and answered ${status}: ${text}`);
		return seenOf(text);
	}

	/** All of the team by id, with their status. */
	async list(): Promise<Map<string, string>> {
		const listed = new Map<string, string>();
		for (let after: string | null = null, hasMore = true; hasMore; ) {
			const { status, text } = await this.ask("the items", `/v1/deferred?limit=${LIST_LIMIT}${after === null ? "" : `&after=${after}`}`);
			if (status !== 200) throw new Broken(`the list of items was answered ${status}: ${text}`);
			const page = JSON.parse(text) as { data: readonly Wire[]; has_more: boolean; last_id: string | null };
			for (const { id, status: as } of page.data) {
				if (listed.has(id)) throw new Broken(`the list of items has ${id} twice`);
				listed.set(id, as);
			}
			hasMore = page.has_more;
			after = page.last_id;
		}
		return listed;
	}

	/** Whatever is answered that says something; `onAsk` hears of every question. */
	private ask(what: string, path: string, { method = "GET", key = 0, headers = {}, body, onAsk }: Asking & { onAsk?(): void } = {}): Promise<Answered> {
		return insist(what, async () => {
			const url = this.random.pick(this.urls);
			onAsk?.();
			let answered: Answered;
			try {
				const response = await fetch(`${url}${path}`, {
					method,
					headers: { authorization: `Bearer ${this.keys[key] ?? ""}`, "content-type": "application/json", ...headers },
					...(body !== undefined && { body }),
				});
				answered = { status: response.status, text: await response.text(), headers: response.headers };
			} catch (error) {
				throw new UnreachableError(url, error);
			}
			if (AGAIN.includes(answered.status) || (answered.status === 409 && answered.text.includes(IN_FLIGHT))) throw new UnreachableError(url, answered.text);
			return answered;
		});
	}
}

function headersOf({ name, hasIdempotencyKey, feature, user, deadlineSeconds, isBatchOnly, webhook }: DeferredItem): Record<string, string> {
	return {
		...(hasIdempotencyKey && { "idempotency-key": name }),
		...(feature !== null && { "x-tollgate-feature": feature }),
		...(user !== null && { "x-tollgate-user": user }),
		...(deadlineSeconds !== null && { "x-tollgate-deadline": `${deadlineSeconds}s` }),
		...(isBatchOnly && { "x-tollgate-lane": "batch" }),
		...(webhook !== null && { "x-tollgate-webhook": webhook }),
	};
}

function bodyOf({ model, text }: DeferredItem): string {
	return JSON.stringify({ model, max_tokens: MAX_TOKENS, messages: [{ role: "user", content: text }] });
}

/** Throws SyntaxError where it is no JSON. */
export function seenOf(text: string): SeenDeferred {
	const { answer = null, ...wire } = JSON.parse(text) as Wire;
	const timeOf = (instant: string | null): number | null => (instant === null ? null : Date.parse(instant));
	return {
		id: wire.id,
		status: wire.status,
		lane: wire.lane,
		deadlineMs: timeOf(wire.deadline),
		answeredAtMs: timeOf(wire.answered_at),
		isLate: wire.is_late,
		heldNanoUsd: wire.held_nano_usd,
		costNanoUsd: wire.cost_nano_usd,
		webhook: wire.webhook,
		answer: answer && {
			statusCode: answer.status_code,
			id: typeof answer.body["id"] === "string" ? answer.body["id"] : null,
			usage: answer.body["usage"],
			isError: typeof answer.body["error"] === "object" && answer.body["error"] !== null,
		},
		digest: createHash("sha256")
			.update(text.slice(text.indexOf('"answer":')))
			.digest("hex"),
	};
}
