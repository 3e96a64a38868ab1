import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { BatchStore } from "../port.ts";
import type { UntoldBatches } from "./batch-starter.ts";

const TRY_LOCK = "SELECT pg_try_advisory_lock($1) AS is_held";
/** Held by the session: whoever loses the connection loses the role. */
const STARTER_LOCK_ID = "718204024";

/** Batches that no workflow has taken up yet, as PostgreSQL shows them. */
export function createUntoldBatches(sql: SqlConnection, store: Pick<BatchStore, "toTell">): UntoldBatches {
	return {
		async tryLock() {
			return (await sql.query<{ is_held: boolean }>("batch_starter_lock", TRY_LOCK, [STARTER_LOCK_ID]))[0]?.is_held === true;
		},
		due: (most) => store.toTell(most),
	};
}
