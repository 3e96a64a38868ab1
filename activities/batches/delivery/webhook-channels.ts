import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { CHANNEL_NAME_PATTERN } from "#domain/alerts/channel.ts";

/** Channels that may be told of the end of an item: those of kind `webhook` (docs/alerts.md), of the whole organisation. */
export type WebhookChannels = {
	/** Asked of PostgreSQL each time, so that a channel which was just made is known. @throws CostControlError "authority.unreachable". */
	knowsChannel(name: string): Promise<boolean>;
};

const KNOWS = "SELECT EXISTS (SELECT 1 FROM tollgate.alert_channel WHERE name = $1 AND kind = 'webhook') AS is_known";

export function createWebhookChannels(sql: SqlConnection): WebhookChannels {
	return {
		async knowsChannel(name) {
			if (!CHANNEL_NAME_PATTERN.test(name)) return false;
			const [row] = await sql.query<{ is_known: boolean }>("knows_webhook_channel", KNOWS, [name]);
			return row?.is_known === true;
		},
	};
}
