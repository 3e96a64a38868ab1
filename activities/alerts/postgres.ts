import type { Alert } from "#domain/alerts/alert.ts";
import { RESEND_EVERY_MS } from "./alertmanager.ts";
import { CLAIM_MS, type DeliveryConnection, openDeliveryConnection } from "./delivery-connection.ts";
import type { AlertOutbox, ClaimedDelivery, ClaimedResend } from "./port.ts";

/** Slack takes about one message a second and webhook. */
const PACE_MS = JSON.stringify({ slack: 1_000 });

const CLAIM = "SELECT * FROM tollgate.claim_alert_deliveries($1, $2, $3, $4)";
const FINISH = "SELECT tollgate.finish_alert_delivery($1, $2, $3, $4, $5, $6, $7, $8) AS is_new";
const CLAIM_RESENDS = "SELECT channel, config, alert_seqs FROM tollgate.claim_alert_resends($1, $2, $3, $4)";
const FIRING = "SELECT tollgate.alert_message(a) AS alert FROM tollgate.alert a WHERE a.seq = ANY ($1::bigint[]) ORDER BY a.seq";
const FINISH_RESEND = "SELECT tollgate.finish_alert_resend($1)";

type ClaimRow = {
	alert_seq: string;
	alert: Alert;
	channel: string;
	channel_kind: string;
	config: unknown;
	attempt: number;
	may_have_arrived: boolean;
	tried_for_ms: string;
};

export type OpenAlertOutbox = AlertOutbox & { close(): Promise<void> };

/** The outbox on a connection of its own, which wakes `onAlert` when an alert was made, so that it leaves at once. */
export function openAlertOutbox(url: string, onAlert: () => void): OpenAlertOutbox {
	const opened = openDeliveryConnection(url, { applicationName: "tollgate-worker-alerts", listensTo: "tollgate_alert", onNotice: onAlert });
	return { ...createOutbox(opened), close: () => opened.connection.close() };
}

function createOutbox({ connection, deliverer }: DeliveryConnection): AlertOutbox {
	return {
		async claim(limit) {
			const rows = await connection.query<ClaimRow>("claim_alert_deliveries", CLAIM, [deliverer, limit, CLAIM_MS, PACE_MS]);
			return rows.map(
				(row): ClaimedDelivery => ({
					alertSeq: row.alert_seq,
					alert: row.alert,
					channelName: row.channel,
					channelKind: row.channel_kind,
					channelConfig: row.config,
					attempt: row.attempt,
					triedForMs: Number(row.tried_for_ms),
					mayHaveArrived: row.may_have_arrived,
				}),
			);
		},
		async finish({ alertSeq, channelName, attempt, mayHaveArrived: mayHaveBefore }, step) {
			// Once nobody knows, nobody knows until it is delivered.
			const mayHaveArrived = step.kind !== "delivered" && (mayHaveBefore || step.mayHaveArrived);
			const [afterMs, pauseMs] = [step.kind === "retry" ? step.afterMs : 0, step.kind === "delivered" ? 0 : step.pauseMs];
			const values = [alertSeq, channelName, attempt, step.kind, step.said, Math.round(afterMs), mayHaveArrived, Math.round(pauseMs)];
			return (await connection.query<{ is_new: boolean }>("finish_alert_delivery", FINISH, values))[0]?.is_new === true;
		},
		async claimResends() {
			const claimed = await connection.query<{ channel: string; config: unknown; alert_seqs: string[] }>("claim_alert_resends", CLAIM_RESENDS, [
				deliverer,
				"alertmanager",
				RESEND_EVERY_MS,
				CLAIM_MS,
			]);
			const resends: ClaimedResend[] = [];
			for (const { channel, config, alert_seqs } of claimed.filter(({ alert_seqs: seqs }) => seqs.length > 0)) {
				const rows = await connection.query<{ alert: Alert }>("firing_alerts", FIRING, [alert_seqs]);
				resends.push({ channelName: channel, channelKind: "alertmanager", channelConfig: config, alerts: rows.map(({ alert }) => alert) });
			}
			return resends;
		},
		async finishResend(channelName) {
			await connection.query("finish_alert_resend", FINISH_RESEND, [channelName]);
		},
	};
}
