import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";

const SWEEP = "SELECT tollgate.sweep_batches(interval '10 minutes', $1)::int AS swept";

/** In one transaction: a batch may have 50,000 items. */
const BATCHES_MAX = 5;

/** Takes away batches that somebody began and left: of which nothing was ever held, and to which nothing happened for ten minutes. Returns how many. */
export async function sweepBatches(sql: SqlConnection): Promise<number> {
	return (await sql.query<{ swept: number }>("sweep_batches", SWEEP, [BATCHES_MAX]))[0]?.swept ?? 0;
}
