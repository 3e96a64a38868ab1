import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { Webhook } from "standardwebhooks";
import { z } from "zod";
import { startScriptedProvider } from "./scripted-provider.ts";

/**
 * Receivers that take an alert as strictly as the real ones do and say what was wrong with it. Limits: Slack's Block Kit reference,
 * PagerDuty's Events API v2, Alertmanager's OpenAPI of /api/v2, Standard Webhooks 1.0.0 by its own verifier.
 */
export type Message = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string; readonly json: unknown };
export type AlertReceiver = {
	readonly url: string;
	/** What was taken, in order. */
	readonly taken: Message[];
	/** What was wrong with the rest; a message that is wrong is answered by 400. */
	readonly problems: string[];
	/** Answers the next messages instead, one each; "none" leaves one without an answer after taking it. */
	readonly answers: (((response: ServerResponse) => void) | "none")[];
	close(): Promise<void>;
};

type Check = (message: Message) => { readonly status: number; readonly body: string };

async function startReceiver(path: string, check: Check): Promise<AlertReceiver> {
	const [taken, problems, answers]: [Message[], string[], AlertReceiver["answers"]] = [[], [], []];
	const server = await startScriptedProvider(({ request, response, body }) => {
		const text = body.toString();
		const message: Message = { path: request.url ?? "", headers: request.headers, body: text, json: text === "" ? undefined : JSON.parse(text) };
		const instead = answers.shift();
		if (typeof instead === "function") return instead(response);
		try {
			if (request.method !== "POST" || message.path !== path) throw new Error(`${request.method} ${message.path} instead of POST ${path}`);
			if (request.headers["content-type"] !== "application/json") throw new Error(`content-type ${request.headers["content-type"]}`);
			const answer = check(message);
			taken.push(message);
			if (instead !== "none") response.writeHead(answer.status, { "content-type": "text/plain" }).end(answer.body);
		} catch (error) {
			problems.push(error instanceof Error ? error.message : String(error));
			response.writeHead(400).end(String(error));
		}
	});
	return { url: `${server.url}${path}`, taken, problems, answers, close: () => server.close() };
}

const slackText = (lengthMax: number) => z.strictObject({ type: z.literal("mrkdwn"), text: z.string().min(1).max(lengthMax) });
const slackMessage = z.strictObject({
	text: z.string().min(1).max(40_000),
	blocks: z
		.array(
			z.discriminatedUnion("type", [
				z.strictObject({ type: z.literal("section"), text: slackText(3_000), fields: z.array(slackText(2_000)).min(1).max(10) }),
				z.strictObject({ type: z.literal("context"), elements: z.array(slackText(3_000)).min(1).max(10) }),
			]),
		)
		.min(1)
		.max(50),
});

export function startSlackReceiver(): Promise<AlertReceiver> {
	return startReceiver("/services/T00000000/B00000000/slackWebhookCanary0000", ({ json }) => {
		slackMessage.parse(json);
		return { status: 200, body: "ok" };
	});
}

const routingKey = z.string().regex(/^[0-9a-zA-Z]{32}$/);
const dedupKey = z.string().min(1).max(255);
const pagerDutyEvent = z.discriminatedUnion("event_action", [
	z.strictObject({
		routing_key: routingKey,
		event_action: z.literal("trigger"),
		dedup_key: dedupKey,
		payload: z.strictObject({
			summary: z.string().min(1).max(1_024),
			source: z.string().min(1),
			severity: z.enum(["critical", "error", "warning", "info"]),
			timestamp: z.iso.datetime(),
			component: z.string().min(1),
			group: z.string().min(1),
			class: z.string().min(1),
			custom_details: z.record(z.string(), z.string()),
		}),
		links: z.array(z.strictObject({ href: z.url(), text: z.string() })).optional(),
	}),
	z.strictObject({ routing_key: routingKey, event_action: z.literal("resolve"), dedup_key: dedupKey }),
]);

export function startPagerDutyReceiver(): Promise<AlertReceiver> {
	return startReceiver("/v2/enqueue", ({ json }) => {
		const { dedup_key } = pagerDutyEvent.parse(json);
		return { status: 202, body: JSON.stringify({ status: "success", message: "Event processed", dedup_key }) };
	});
}

const labelName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
const alertmanagerAlerts = z
	.array(
		z
			.strictObject({
				labels: z.record(labelName, z.string().min(1)).refine((labels) => labels["alertname"] !== undefined, "an alert needs its name"),
				annotations: z.record(labelName, z.string()),
				startsAt: z.iso.datetime(),
				endsAt: z.iso.datetime(),
			})
			.refine(({ startsAt, endsAt }) => startsAt <= endsAt, "an alert ends after it starts"),
	)
	.min(1);

/** `url` is the one of the channel, to which it adds the path of the API. */
export async function startAlertmanagerReceiver(): Promise<AlertReceiver> {
	const receiver = await startReceiver("/api/v2/alerts", ({ json }) => {
		alertmanagerAlerts.parse(json);
		return { status: 200, body: "" };
	});
	return { ...receiver, url: new URL(receiver.url).origin };
}

const webhookMessage = z.strictObject({
	type: z.string().regex(/^[a-z_]+(\.[a-z_]+)*$/),
	timestamp: z.iso.datetime(),
	data: z.record(z.string(), z.unknown()),
});

/** Verifies with the specification's own library. */
export function startWebhookReceiver(secret: string): Promise<AlertReceiver> {
	const webhook = new Webhook(secret);
	return startReceiver("/hooks/tollgate", ({ headers, body }) => {
		webhookMessage.parse(webhook.verify(body, headers as Record<string, string>));
		return { status: 204, body: "" };
	});
}
