import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { CollectingBatch } from "#domain/batching/collector-state.ts";
import type { DeferredStore } from "../deferred-port.ts";
import { listBatches } from "../store/ask-batches.ts";
import type { CollectingBatches, CollectorRows, SeenBatch } from "./collector-port.ts";

const BATCHES_OF = "SELECT tollgate.batches_of_collector($1, $2, $3) AS reply";
const TRY_LOCK = "SELECT pg_try_advisory_lock($1) AS is_held";
/** Held by the session: whoever loses the connection loses the role. */
const STARTER_LOCK_ID = "718204030";
/** Without the sums, which cost a look at every item. */
const SEEN = `
	SELECT jsonb_build_object('number', b.number::text, 'batchId', b.id, 'version', b.version::text, 'items', b.open_items,
		'changedAtMs', tollgate.to_ms(b.changed_at), 'clockMs', tollgate.to_ms(clock_timestamp()),
		'scope', jsonb_build_object('teamId', b.team_id, 'protocol', b.protocol, 'endpoint', b.endpoint, 'model', b.model, 'deployment', b.deployment, 'provider', b.provider)) AS reply
	FROM tollgate.batch b
	WHERE b.origin = 'collected' AND b.state = 'collecting' AND b.open_items > 0 AND b.number > $1::bigint ORDER BY b.number LIMIT $2`;

export function createCollectorRows(sql: SqlConnection, store: Pick<DeferredStore, "flush">): CollectorRows {
	return {
		batchesOf: (scope, { neededMs, most }) =>
			listBatches<CollectingBatch>(sql, "batches_of_collector", BATCHES_OF, [JSON.stringify(scope), Math.ceil(neededMs), most]),
		flush: async (batchId, version) => (await store.flush(batchId, version)) !== undefined,
	};
}

export function createCollectingBatches(sql: SqlConnection, store: Pick<DeferredStore, "readCollector">): CollectingBatches {
	return {
		async tryLock() {
			return (await sql.query<{ is_held: boolean }>("collector_starter_lock", TRY_LOCK, [STARTER_LOCK_ID]))[0]?.is_held === true;
		},
		seen: (after, most) => listBatches<SeenBatch>(sql, "collecting_seen", SEEN, [after, most]),
		tally: async (batchId) => (await store.readCollector(batchId))?.tally,
	};
}
