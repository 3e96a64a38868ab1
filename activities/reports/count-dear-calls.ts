import type { Queryable } from "#activities/keys/port.ts";
import { sqlState } from "#activities/ledger/settle-chunk.ts";
import { countSpend } from "#activities/spend/count-spend.ts";

/** Each statement is one short transaction. */
const CHUNKS_AT_ONCE = 200;
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Counts what the ledger booked into the sums of spend, and looks for the dearest calls in it, at most so many chunks of each. False: there is more, or
 * another process counts for longer than a lock is waited for. Safe to run in several places at once.
 */
export async function countForReports(database: Queryable, chunksMax = Number.POSITIVE_INFINITY): Promise<boolean> {
	const { isComplete } = await countSpend(database, chunksMax);
	for (let chunks = 0; ; ) {
		const counted = await countOnce(database);
		if (counted === undefined) return false;
		if (counted < CHUNKS_AT_ONCE) return isComplete;
		chunks += counted;
		if (chunks >= chunksMax) return false;
	}
}

/** undefined: another process is counting. */
async function countOnce(database: Queryable): Promise<number | undefined> {
	try {
		const { rows } = await database.query<{ counted: number }>("SELECT tollgate.count_dear_calls($1) AS counted", [CHUNKS_AT_ONCE]);
		return rows[0]?.counted ?? 0;
	} catch (error) {
		if (sqlState(error) === LOCK_NOT_AVAILABLE) return undefined;
		throw error;
	}
}
