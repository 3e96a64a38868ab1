import type { Journal, LedgerWriter, RefusalRecord } from "../ledger/record.ts";
import type { LimitRefusal } from "./port.ts";

/** Rows one limit of a team may make in a second: enough to see who is refused, however many are. */
export const ROWS_PER_SECOND = 10;
/** Limits with a tally at most; the one that began first is forgotten with what it still counts. */
const MAX_TALLIES = 10_000;

type Tally = { secondStartMs: number; rows: number; unrecorded: number };

export type LimitRefusalDependencies = {
	readonly gatewayId: string;
	readonly epoch: bigint;
	readonly journal: Pick<Journal, "append">;
	readonly writer: Pick<LedgerWriter, "enqueueRefusal">;
	readonly nowMs: () => number;
	readonly wallClockMs: () => number;
};

/**
 * Calls and batches that limits refused, in the books like those that budgets refused. A client in a tight loop is refused thousands of times a
 * second without a statement asked, so that a limit makes at most ROWS_PER_SECOND rows a second for each gateway; what is beyond them is
 * counted into its next row.
 */
export class LimitRefusals {
	private readonly dependencies: LimitRefusalDependencies;
	private readonly tallies = new Map<string, Tally>();
	private next = 1;

	constructor(dependencies: LimitRefusalDependencies) {
		this.dependencies = dependencies;
	}

	/** @throws CostControlError "journal.unwritable". */
	record(refusal: LimitRefusal): void {
		const { journal, writer, nowMs } = this.dependencies;
		const tally = this.tallyOf(`${refusal.key.teamId}|${refusal.evidence.limit}`);
		const now = nowMs();
		if (now - tally.secondStartMs >= 1_000) {
			tally.secondStartMs = now;
			tally.rows = 0;
		}
		if (tally.rows >= ROWS_PER_SECOND) {
			tally.unrecorded++;
			return;
		}
		const record = this.recordOf(refusal, tally.unrecorded);
		journal.append(record);
		tally.rows++;
		tally.unrecorded = 0;
		writer.enqueueRefusal(record);
	}

	private tallyOf(limit: string): Tally {
		const known = this.tallies.get(limit);
		if (known !== undefined) return known;
		const [oldest] = this.tallies.keys();
		if (this.tallies.size >= MAX_TALLIES && oldest !== undefined) this.tallies.delete(oldest);
		const tally = { secondStartMs: Number.NEGATIVE_INFINITY, rows: 0, unrecorded: 0 };
		this.tallies.set(limit, tally);
		return tally;
	}

	private recordOf({ requestId, key, code, evidence, line }: LimitRefusal, unrecorded: number): RefusalRecord {
		const { gatewayId, epoch, wallClockMs } = this.dependencies;
		return {
			type: "refusal",
			refusalId: `${gatewayId}-${epoch}-l-${this.next++}`,
			requestId,
			refusedAtMs: wallClockMs(),
			teamId: key.teamId,
			keyId: key.keyId,
			code,
			...{ budgetId: null, windowId: null, windowSeq: null, granted: null, idle: null, openReservations: null },
			limitAmount: evidence.limitAmount.toString(),
			need: evidence.need.toString(),
			waitedMs: evidence.waitedMs,
			isRemembered: evidence.isRemembered,
			limitName: evidence.limit,
			...(evidence.stoodAt !== null && { stoodAt: evidence.stoodAt.toString() }),
			...(unrecorded > 0 && { unrecordedBefore: unrecorded }),
			...(line !== undefined && { line }),
		};
	}
}
