import { createWebhookChannels } from "#activities/batches/delivery/webhook-channels.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { Connection } from "#activities/database/connection.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { OpaqueUserId } from "#activities/request/claimed-users.ts";
import type { DeferredRoutes } from "./deferred/ports.ts";

export type OpenedDeferred = Required<Pick<DeferredRoutes, "store" | "opaqueUserId" | "knowsChannel">>;

export type OpenDeferredOptions = {
	readonly databaseUrl: string;
	readonly gatewayId: string;
	/** For everything that waits for no money. */
	readonly sql: SqlConnection;
	readonly opaqueUserId: OpaqueUserId;
};

/** Items that are handed in alone, over a connection of their own: one waits for the rows of its collector, and nothing else for it. */
export function openDeferred({ databaseUrl, gatewayId, sql, opaqueUserId }: OpenDeferredOptions): OpenedDeferred & { close(): Promise<void> } {
	const accepting = new Connection({ url: databaseUrl, applicationName: `tollgate gateway ${gatewayId} items`, plansOnce: true });
	return {
		store: { ...createPostgresDeferredStore(sql), accept: createPostgresDeferredStore(accepting).accept },
		opaqueUserId,
		knowsChannel: createWebhookChannels(sql).knowsChannel,
		close: () => accepting.close(),
	};
}
