import type { AlertChannel, AlertRoute } from "#domain/alerts/channel.ts";
import type { Cursor } from "../cursor.ts";
import { readEnvironmentName } from "./values.ts";

/** `general_settings.alerting` and `alert_to_webhook_url` as channels, with routes of the whole organisation. */

type Alerting = { readonly channels: Map<string, AlertChannel>; readonly routes: AlertRoute[] };

const MAX_CHANNELS = 20;
/** Variables that LiteLLM reads for each of its channels. */
const CHANNELS: Readonly<Record<string, AlertChannel>> = {
	slack: { kind: "slack", urlEnv: "SLACK_WEBHOOK_URL", allowPrivate: false },
	pagerduty: { kind: "pagerduty", routingKeyEnv: "PAGERDUTY_API_KEY", allowPrivate: false },
	webhook: { kind: "webhook", urlEnv: "WEBHOOK_URL", secretEnv: "WEBHOOK_SECRET", allowPrivate: false },
};
const LEFT_TO_DO: Readonly<Record<string, string>> = {
	slack: "goes to channel slack: set SLACK_WEBHOOK_URL where the worker runs",
	pagerduty: "goes to channel pagerduty: set PAGERDUTY_API_KEY where the worker runs",
	webhook: "goes to channel webhook: set WEBHOOK_URL where the worker runs, and WEBHOOK_SECRET, with which deliveries are signed",
};
/** What LiteLLM calls each of ours. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
	budget_alerts: ["budget.threshold", "budget.stopped", "budget.withdrawn"],
	soft_budget_crossed: ["budget.threshold"],
	max_budget_crossed: ["budget.stopped"],
	projected_limit_exceeded: ["spend.above_expected"],
};

export function readAlerting(cursor: Cursor | undefined, { channels, routes }: Alerting): void {
	if (cursor === undefined || cursor.isNothing()) return;
	for (const item of cursor.items(MAX_CHANNELS) ?? []) {
		const name = item.written() ?? "";
		const channel = Object.hasOwn(CHANNELS, name) ? CHANNELS[name] : undefined;
		if (channel === undefined) item.fail("is no channel here: slack, pagerduty, alertmanager and webhook are");
		else if (!channels.has(name)) {
			channels.set(name, channel);
			routes.push({ channel: name, kinds: [] });
			item.fail(LEFT_TO_DO[name] ?? "is left to set up");
		}
	}
}

/** `{ alert type: URL or list of URLs }`. A URL of Slack is a secret: only the name of a variable is carried over. */
export function readAlertWebhooks(cursor: Cursor | undefined, { channels, routes }: Alerting): void {
	if (cursor === undefined || cursor.isNothing()) return;
	for (const [type, value] of cursor.entries() ?? []) {
		const variable = readEnvironmentName(value);
		const kinds = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
		const name = `slack-${type.replaceAll("_", "-")}`;
		if (kinds === undefined) value.fail("is of an alert that there is none of here");
		else if (variable === undefined) value.fail("is a secret: put the URL into an environment variable and add a channel with its name (urlEnv)");
		else {
			channels.set(name, { kind: "slack", urlEnv: variable, allowPrivate: false });
			routes.push({ channel: name, kinds });
		}
	}
}
