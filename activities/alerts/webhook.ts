import { createHmac } from "node:crypto";
import { type Alert, statusOf } from "#domain/alerts/alert.ts";
import type { AlertChannel } from "#domain/alerts/channel.ts";
import { renderAlert } from "#domain/alerts/render.ts";
import type { SendOutcome } from "#domain/alerts/retry.ts";
import { postAlert } from "./answer.ts";
import { readNamed, readUrl } from "./channel-secrets.ts";
import { type ChannelSender, type HttpClient, type SecretSource, SecretUnavailable } from "./port.ts";

/**
 * Any receiver, signed as Standard Webhooks 1.0.0 says: `webhook-id` is the id of the alert and stays the same on every try,
 * `webhook-signature` is HMAC-SHA256 over "id.timestamp.body" with the secret behind `whsec_`. The variable or file may hold two
 * secrets, parted by a blank, while one replaces the other: both sign.
 */
const SECRET_PREFIX = "whsec_";
/** The specification's bounds of a key. */
const KEY_BYTES = { min: 24, max: 64 };

export type SignedPostDependencies = {
	readonly http: HttpClient;
	readonly readSecret: SecretSource;
	/** Wall clock: the receiver compares it with its own. */
	readonly now: () => number;
};
export type WebhookDependencies = SignedPostDependencies & { readonly runbooksUrl: string | null };

export function createWebhookSender({ runbooksUrl, ...dependencies }: WebhookDependencies): ChannelSender {
	return {
		send: (channel, alert) => postSigned(dependencies, channel, { id: alert.id, body: () => JSON.stringify(webhookBody(alert, runbooksUrl)) }),
	};
}

/** One signed message to a channel of kind `webhook`. `id`: the same on every try, and so is what `body` makes. */
export function postSigned(
	{ http, readSecret, now }: SignedPostDependencies,
	channel: AlertChannel,
	message: { readonly id: string; readonly body: () => string },
): Promise<SendOutcome> {
	return postAlert(http, () => {
		const { url, secrets } = readUrl(channel, readSecret);
		const text = readNamed(channel, "secret", readSecret);
		const body = message.body();
		const headers = signatureHeaders({ id: message.id, body, nowMs: now(), keys: readKeys(text) });
		return { post: { url, headers, body, allowPrivate: channel.allowPrivate }, secrets: [...text.split(" "), ...secrets] };
	});
}

/** The same bytes for the same alert, however often it is sent. */
export function webhookBody(alert: Alert, runbooksUrl: string | null) {
	const { title, facts, runbook } = renderAlert(alert, runbooksUrl);
	const { id, kind, severity, teamId, subject, detail, atMs } = alert;
	return {
		type: kind,
		timestamp: new Date(atMs).toISOString(),
		data: { id, severity, teamId, subject, status: statusOf(alert), ends: alert.ends.map((ended) => ended.id), title, facts, runbook, detail },
	};
}

export function signatureHeaders(message: {
	readonly id: string;
	readonly body: string;
	readonly nowMs: number;
	readonly keys: readonly Buffer[];
}): Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string> {
	const timestamp = Math.floor(message.nowMs / 1_000).toString();
	const signatures = message.keys.map((key) => `v1,${createHmac("sha256", key).update(`${message.id}.${timestamp}.${message.body}`).digest("base64")}`);
	return { "webhook-id": message.id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

/** @throws SecretUnavailable for what is no secret of the specification; the message repeats nothing of it. */
export function readKeys(text: string): readonly Buffer[] {
	const keys = text.split(" ").map((secret) => {
		const base64 = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : "";
		const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
		return isBase64 ? Buffer.from(base64, "base64") : Buffer.alloc(0);
	});
	if (keys.some((key) => key.length < KEY_BYTES.min || key.length > KEY_BYTES.max))
		throw new SecretUnavailable(`the signing secret is not ${SECRET_PREFIX} and the base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes`);
	return keys;
}
