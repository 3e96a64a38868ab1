import { type Alert, type EndedAlert, statusOf } from "#domain/alerts/alert.ts";
import { renderAlert } from "#domain/alerts/render.ts";
import { postAlert } from "./answer.ts";
import { readUrl } from "./channel-secrets.ts";
import type { ChannelSender, HttpClient, SecretSource } from "./port.ts";

/**
 * Alertmanager v2, `POST /api/v2/alerts`. It forgets what is not told again, so what fires is sent every minute with an end a few minutes
 * ahead: where Tollgate is away for longer, it ends there by itself and fires again afterwards. An alert is its set of labels, the id
 * among them; its end is the same labels with an end that has come.
 */
export const RESEND_EVERY_MS = 60_000;
const FIRES_FOR_MS = 4 * RESEND_EVERY_MS;
const RESEND_BATCH = 500;

export type AlertmanagerDependencies = {
	readonly http: HttpClient;
	readonly readSecret: SecretSource;
	readonly runbooksUrl: string | null;
	/** Wall clock: Alertmanager compares it with its own. */
	readonly now: () => number;
};

export function createAlertmanagerSender({ http, readSecret, runbooksUrl, now }: AlertmanagerDependencies): Required<ChannelSender> {
	const post = (channel: Parameters<ChannelSender["send"]>[0], alerts: readonly AlertmanagerAlert[]) =>
		postAlert(http, () => {
			const { url, secrets } = readUrl(channel, readSecret);
			const target = `${url.replace(/\/+$/, "")}/api/v2/alerts`;
			return { post: { url: target, headers: {}, body: JSON.stringify(alerts), allowPrivate: channel.allowPrivate }, secrets: [target, ...secrets] };
		});
	return {
		send: (channel, alert) => post(channel, alertmanagerAlerts(alert, { runbooksUrl, nowMs: now() })),
		async resend(channel, alerts) {
			for (let start = 0; start < alerts.length; start += RESEND_BATCH) {
				const batch = alerts.slice(start, start + RESEND_BATCH);
				const outcome = await post(
					channel,
					batch.flatMap((alert) => alertmanagerAlerts(alert, { runbooksUrl, nowMs: now() })),
				);
				if (outcome.kind === "failed") return outcome;
			}
			return { kind: "delivered", said: "" };
		},
	};
}

type AlertmanagerAlert = {
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
	readonly startsAt: string;
	readonly endsAt: string;
};

/** One alert as Alertmanager knows it; an end is one per alert that it ends. What only happened ends by itself. */
export function alertmanagerAlerts(alert: Alert, options: { readonly runbooksUrl: string | null; readonly nowMs: number }): readonly AlertmanagerAlert[] {
	const { title, facts, runbook } = renderAlert(alert, options.runbooksUrl);
	const annotations = {
		summary: title,
		description: facts.map(({ label, value }) => `${label}: ${value}`).join("\n"),
		runbook_url: runbook,
	};
	const isOver = statusOf(alert) === "over";
	const told: readonly EndedAlert[] = isOver ? alert.ends : [alert];
	return told.map(({ id, kind, severity, atMs }) => ({
		labels: {
			alertname: kind,
			severity,
			team: alert.teamId,
			// An empty label is no label.
			...(alert.subject !== "" && { subject: alert.subject }),
			alert_id: id,
		},
		annotations,
		startsAt: new Date(atMs).toISOString(),
		endsAt: new Date(isOver ? Math.max(alert.atMs, atMs) : options.nowMs + FIRES_FOR_MS).toISOString(),
	}));
}
