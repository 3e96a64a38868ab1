import type { Alert } from "#domain/alerts/alert.ts";
import { type AlertChannelKind, channelOfRow } from "#domain/alerts/channel.ts";
import type { SendOutcome } from "#domain/alerts/retry.ts";
import { createAlertmanagerSender } from "./alertmanager.ts";
import { createPagerDutySender } from "./pagerduty.ts";
import type { ChannelSender, HttpClient, SecretSource, SendOptions } from "./port.ts";
import { createSlackSender } from "./slack.ts";
import { createWebhookSender } from "./webhook.ts";

export type SenderDependencies = {
	readonly http: HttpClient;
	readonly readSecret: SecretSource;
	/** Where docs/runbooks/ can be read; null = alerts name the path in the project. */
	readonly runbooksUrl: string | null;
	/** Wall clock, for what receivers compare with their own. */
	readonly now: () => number;
};

/** A channel as its table holds it. */
export type ChannelRow = { readonly kind: string; readonly config: unknown };

/** Tells a channel, whatever its kind. A row that is no channel any more is a failure like any other. */
export type AlertSender = {
	send(row: ChannelRow, alert: Alert, options: SendOptions): Promise<SendOutcome>;
	resend(row: ChannelRow, alerts: readonly Alert[]): Promise<SendOutcome>;
};

export function createAlertSender(dependencies: SenderDependencies): AlertSender {
	const senders: Readonly<Record<AlertChannelKind, ChannelSender>> = {
		slack: createSlackSender(dependencies),
		pagerduty: createPagerDutySender(dependencies),
		alertmanager: createAlertmanagerSender(dependencies),
		webhook: createWebhookSender(dependencies),
	};
	return {
		async send(row, alert, options) {
			const checked = channelOfRow(row.kind, row.config);
			return checked.kind === "invalid" ? invalidChannel(checked.problems) : senders[checked.value.kind].send(checked.value, alert, options);
		},
		async resend(row, alerts) {
			const checked = channelOfRow(row.kind, row.config);
			if (checked.kind === "invalid") return invalidChannel(checked.problems);
			return (await senders[checked.value.kind].resend?.(checked.value, alerts)) ?? { kind: "delivered", said: "" };
		},
	};
}

/** Waits for whoever corrects the channel. */
export function invalidChannel(problems: readonly { readonly field: string; readonly problem: string }[]): SendOutcome {
	const said = problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
	return { kind: "failed", said: `the channel cannot be used: ${said}`, isFinal: false, mayHaveArrived: false, pauseMs: 0 };
}
