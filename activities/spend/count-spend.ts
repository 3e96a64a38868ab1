import type { Queryable } from "#activities/keys/port.ts";
import { sqlState } from "#activities/ledger/settle-chunk.ts";

/** Each statement is one short transaction: a chunk holds at most some hundred entries. */
const CHUNKS_AT_ONCE = 200;
const CHUNKS_WAITED_FOR = 1_000;

export type Counted = {
	readonly chunks: number;
	/** Everything that the ledger held when this began is counted; false also while another process counts for longer than a lock is waited for. */
	readonly isComplete: boolean;
};

const LOCK_NOT_AVAILABLE = "55P03";

/** Counts what the ledger booked since the last time into the sums of spend (migrations/0032), at most so many chunks, default all. Safe to run in several places at once. */
export async function countSpend(database: Queryable, chunksMax = Number.POSITIVE_INFINITY): Promise<Counted> {
	for (let chunks = 0; ; ) {
		const counted = await countOnce(database);
		if (counted === undefined) return { chunks, isComplete: false };
		chunks += counted;
		if (counted < CHUNKS_AT_ONCE) return { chunks, isComplete: true };
		if (chunks >= chunksMax) return { chunks, isComplete: false };
	}
}

/** The same for somebody who waits for an answer: while more than a thousand chunks are uncounted, not all of them. */
export function countForAnswer(database: Queryable): Promise<Counted> {
	return countSpend(database, CHUNKS_WAITED_FOR);
}

/** undefined: another process is counting. */
async function countOnce(database: Queryable): Promise<number | undefined> {
	try {
		const { rows } = await database.query<{ counted: number }>("SELECT tollgate.count_spend($1) AS counted", [CHUNKS_AT_ONCE]);
		return rows[0]?.counted ?? 0;
	} catch (error) {
		if (sqlState(error) === LOCK_NOT_AVAILABLE) return undefined;
		throw error;
	}
}
