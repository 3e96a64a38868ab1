import { type Alert, statusOf } from "#domain/alerts/alert.ts";
import { renderAlert, shortened } from "#domain/alerts/render.ts";
import { postAlert } from "./answer.ts";
import { readUrl } from "./channel-secrets.ts";
import type { ChannelSender, HttpClient, SecretSource } from "./port.ts";

/**
 * Slack's incoming webhooks: `{text, blocks}`, answered by "ok". The webhook knows no id, so a message whose answer was lost is sent
 * again and says that it may be a repeat. Limits: text of a section 3,000 characters, 10 fields of 2,000 (Block Kit reference).
 */
const SECTION_LENGTH_MAX = 3_000;
const FIELD_LENGTH_MAX = 2_000;
const FIELDS_MAX = 10;
const REPEAT_NOTE = " (possibly a repeat)";
const MARKS = { info: "🔵", warning: "🟡", error: "🟠", critical: "🔴", over: "🟢" } as const;

export type SlackDependencies = { readonly http: HttpClient; readonly readSecret: SecretSource; readonly runbooksUrl: string | null };

export function createSlackSender({ http, readSecret, runbooksUrl }: SlackDependencies): ChannelSender {
	return {
		send: (channel, alert, { mayHaveArrived }) =>
			postAlert(http, () => {
				const { url, secrets } = readUrl(channel, readSecret);
				const body = JSON.stringify(slackMessage(alert, { runbooksUrl, isRepeat: mayHaveArrived }));
				return { post: { url, headers: {}, body, allowPrivate: channel.allowPrivate }, secrets };
			}),
	};
}

/** What Slack shows: `text` in notifications, `blocks` in the channel. */
export function slackMessage(alert: Alert, options: { readonly runbooksUrl: string | null; readonly isRepeat: boolean }) {
	const { title, facts, runbook } = renderAlert(alert, options.runbooksUrl);
	const mark = statusOf(alert) === "over" ? MARKS.over : MARKS[alert.severity];
	const note = options.isRepeat ? REPEAT_NOTE : "";
	const headline = `${mark} *${escapeSlack(title)}*${note}`;
	const link = /^https?:\/\//.test(runbook) ? `<${runbook}|Runbook>` : `Runbook: ${escapeSlack(runbook)}`;
	const fields = facts.slice(0, FIELDS_MAX).map(({ label, value }) => ({
		type: "mrkdwn" as const,
		text: shortened(`*${label}*\n${escapeSlack(value)}`, FIELD_LENGTH_MAX),
	}));
	return {
		text: shortened(`${mark} ${escapeSlack(title)}${note}`, SECTION_LENGTH_MAX),
		blocks: [
			{ type: "section" as const, text: { type: "mrkdwn" as const, text: shortened(headline, SECTION_LENGTH_MAX) }, fields },
			{ type: "context" as const, elements: [{ type: "mrkdwn" as const, text: `${link} · ${escapeSlack(alert.kind)} · ${alert.id}` }] },
		],
	};
}

/** Slack's three control characters: nobody's name mentions a channel or makes a link. */
function escapeSlack(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
