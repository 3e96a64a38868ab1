import { setImmediate as nextTurn } from "node:timers/promises";
import { type JournalEnd, type JournalSource, readJournal } from "./journal-reader.ts";
import type { BookedAttempt } from "./newest-chunk.ts";
import type { LedgerWriter, OutcomeRecord, ReservationRecord } from "./record.ts";

/** What a replay found. `unresolved` were charged at their reservation: they may have been sent. */
export type ReplayTally = {
	readonly flushed: number;
	readonly unresolved: number;
	readonly released: number;
	readonly refusals: number;
	/** What the ledger took of this epoch before and the journal does not hold; null where it holds all of it. */
	readonly lacks: "reservations" | "outcomes" | null;
	readonly end: JournalEnd;
};

const ROWS_PER_TURN = 500;

/**
 * Queues every row of a finished journal: outcomes as they were, reservations without one as unresolved at their
 * reservation, refusals. Idempotent on the attempt id, so rows flushed before the crash do no harm. Resolves when all of it
 * is committed; rejects as `writer.flush` does, and may then be repeated. `newestChunk`: what the ledger took last of this epoch
 * before the replay.
 */
export async function replayJournal(
	source: JournalSource & { readonly newestChunk: readonly BookedAttempt[] },
	writer: LedgerWriter,
	flushDeadlineMs: number,
): Promise<ReplayTally> {
	const open = new Map<number, ReservationRecord>();
	const tally = { flushed: 0, unresolved: 0, released: 0, refusals: 0 };
	const records = readJournal(source);
	let newestAttempt = 0;
	let next = records.next();
	for (let count = 1; !next.done; next = records.next(), count += 1) {
		const record = next.value;
		if (record.type === "reservation") {
			open.set(record.n, record);
			newestAttempt = Math.max(newestAttempt, record.n);
		}
		if (record.type === "outcome") queueOutcome(record, open, { writer, tally });
		if (record.type === "refusal") {
			writer.enqueueRefusal(record);
			tally.refusals += 1;
		}
		if (count % ROWS_PER_TURN === 0) await (writer.pendingRows >= ROWS_PER_TURN ? writer.flush(flushDeadlineMs) : nextTurn());
	}
	for (const reservation of open.values()) writer.enqueueAttempt({ reservation, outcome: chargeReservation(reservation) });
	tally.unresolved = open.size;
	await writer.flush(flushDeadlineMs);
	const lacksReservations = source.newestChunk.some(({ n }) => n > newestAttempt);
	const lacksOutcomes = source.newestChunk.some(({ n, isChargedByReplay }) => open.has(n) && !isChargedByReplay);
	return { ...tally, lacks: lacksReservations ? "reservations" : lacksOutcomes ? "outcomes" : null, end: next.value };
}

function queueOutcome(
	outcome: OutcomeRecord,
	open: Map<number, ReservationRecord>,
	into: { writer: LedgerWriter; tally: { flushed: number; released: number } },
): void {
	const reservation = open.get(outcome.n);
	if (!reservation) return; // its reservation stood in a segment that was flushed and deleted
	open.delete(outcome.n);
	if (outcome.outcome === "released") {
		into.tally.released += 1;
		return;
	}
	into.writer.enqueueAttempt({ reservation, outcome });
	into.tally.flushed += 1;
}

/** Unknown is spent: the call may have run. */
function chargeReservation(reservation: ReservationRecord): OutcomeRecord {
	return {
		type: "outcome",
		n: reservation.n,
		outcome: "unresolved",
		reason: "crash",
		costNanoUsd: reservation.reservedNanoUsd,
		costTokens: reservation.reservedTokens,
		...(reservation.reservedOutputTokens !== undefined && { costOutputTokens: reservation.reservedOutputTokens }),
		overrunNanoUsd: "0",
		usage: null,
		answeredModel: null,
		serviceTier: null,
		priceVersion: reservation.priceVersion,
		providerRequestId: null,
		httpStatus: null,
		durationMs: null,
	};
}
