import { CLAIM_MS, openDeliveryConnection } from "#activities/alerts/delivery-connection.ts";
import type { Claimed, Outbox } from "#activities/alerts/outbox-deliverer.ts";
import type { ItemOutcome } from "#domain/batching/batch.ts";
import type { Lane } from "#domain/batching/deferred.ts";

/** The end of an item, as `tollgate.tell_ended` wrote it down (migrations/0027). */
export type EndedItem = {
	readonly deferredId: string;
	readonly teamId: string;
	readonly outcome: ItemOutcome;
	/** null: no part ever carried it. */
	readonly lane: Lane | null;
	/** Of its answer; null: it was cancelled before anybody answered. */
	readonly httpStatus: number | null;
	readonly deadlineMs: number | null;
	readonly answeredAtMs: number;
	readonly isLate: boolean;
};

/** One webhook on its way, claimed by this process until its claim runs out. */
export type ClaimedWebhook = Claimed & {
	readonly item: EndedItem;
	readonly channelName: string;
	/** The row as it stands; whether it is a channel is judged when it is used. */
	readonly channelKind: string;
	readonly channelConfig: unknown;
};

export type OpenWebhookOutbox = Outbox<ClaimedWebhook> & { close(): Promise<void> };

const CLAIM = "SELECT * FROM tollgate.claim_deferred_webhooks($1, $2, $3)";
const FINISH = "SELECT tollgate.finish_deferred_webhook($1, $2, $3, $4, $5, $6) AS is_new";

type ClaimRow = {
	deferred_id: string;
	data: EndedItem;
	channel: string;
	channel_kind: string;
	config: unknown;
	attempt: number;
	tried_for_ms: string;
};

/** Webhooks of ended items on a connection of their own, which wakes `onEnded` when one is due. Throws "authority.unreachable" while PostgreSQL is away. */
export function openWebhookOutbox(url: string, onEnded: () => void): OpenWebhookOutbox {
	const { connection, deliverer } = openDeliveryConnection(url, {
		applicationName: "tollgate-worker-webhooks",
		listensTo: "tollgate_deferred_webhook",
		onNotice: onEnded,
	});
	return {
		async claim(limit) {
			const rows = await connection.query<ClaimRow>("claim_deferred_webhooks", CLAIM, [deliverer, limit, CLAIM_MS]);
			return rows.map(({ data, channel, channel_kind, config, attempt, tried_for_ms }) => ({
				item: data,
				...{ channelName: channel, channelKind: channel_kind, channelConfig: config },
				...{ attempt, triedForMs: Number(tried_for_ms) },
			}));
		},
		async finish({ item, attempt }, step) {
			const [afterMs, pauseMs] = [step.kind === "retry" ? step.afterMs : 0, step.kind === "delivered" ? 0 : step.pauseMs];
			const values = [item.deferredId, attempt, step.kind, step.said, Math.round(afterMs), Math.round(pauseMs)];
			return (await connection.query<{ is_new: boolean }>("finish_deferred_webhook", FINISH, values))[0]?.is_new === true;
		},
		close: () => connection.close(),
	};
}
