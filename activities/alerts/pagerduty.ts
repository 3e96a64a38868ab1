import { type Alert, statusOf } from "#domain/alerts/alert.ts";
import { PAGERDUTY_URL } from "#domain/alerts/channel.ts";
import { renderAlert, shortened } from "#domain/alerts/render.ts";
import type { SendOutcome } from "#domain/alerts/retry.ts";
import { postAlert } from "./answer.ts";
import { readNamed, readUrl } from "./channel-secrets.ts";
import type { ChannelSender, HttpClient, SecretSource } from "./port.ts";

/**
 * PagerDuty Events API v2, answered by 202. `dedup_key` is the id of the alert that fires: a repeated trigger opens nothing, and the
 * end of an alert resolves what it opened. What only happened is a trigger too: a person closes it.
 */
const SUMMARY_LENGTH_MAX = 1_024;

export type PagerDutyDependencies = { readonly http: HttpClient; readonly readSecret: SecretSource; readonly runbooksUrl: string | null };

export function createPagerDutySender({ http, readSecret, runbooksUrl }: PagerDutyDependencies): ChannelSender {
	return {
		async send(channel, alert) {
			let last: SendOutcome | undefined;
			for (const event of pagerDutyEvents(alert, runbooksUrl)) {
				last = await postAlert(http, () => {
					const { url, secrets } = readUrl(channel, readSecret, PAGERDUTY_URL);
					const routingKey = readNamed(channel, "routingKey", readSecret);
					const body = JSON.stringify({ routing_key: routingKey, ...event });
					return { post: { url, headers: {}, body, allowPrivate: channel.allowPrivate }, secrets: [routingKey, ...secrets] };
				});
				// Tried again from the first: the same key resolves once.
				if (last.kind === "failed") return last;
			}
			return last ?? { kind: "delivered", said: "nothing to tell" };
		},
	};
}

type PagerDutyEvent = {
	readonly event_action: "trigger" | "resolve";
	readonly dedup_key: string;
	readonly payload?: object;
	readonly links?: readonly { readonly href: string; readonly text: string }[];
};

/** One event, or for an end one per alert that it ends. Without the routing key. */
export function pagerDutyEvents(alert: Alert, runbooksUrl: string | null): readonly PagerDutyEvent[] {
	if (statusOf(alert) === "over") return alert.ends.map(({ id }) => ({ event_action: "resolve", dedup_key: id }));
	const { title, facts, runbook } = renderAlert(alert, runbooksUrl);
	const isLink = /^https?:\/\//.test(runbook);
	return [
		{
			event_action: "trigger",
			dedup_key: alert.id,
			payload: {
				summary: shortened(title, SUMMARY_LENGTH_MAX),
				source: `tollgate/${alert.teamId}`,
				severity: alert.severity,
				timestamp: new Date(alert.atMs).toISOString(),
				component: alert.subject === "" ? alert.teamId : alert.subject,
				group: alert.teamId,
				class: alert.kind,
				custom_details: { ...Object.fromEntries(facts.map(({ label, value }) => [label, value])), runbook },
			},
			...(isLink && { links: [{ href: runbook, text: "Runbook" }] }),
		},
	];
}
