import type { Queryable } from "#activities/keys/port.ts";
import type { SpendDimension } from "#domain/spend/dimensions.ts";
import type { Span } from "#domain/spend/spans.ts";
import { type Counted, countForAnswer } from "./count-spend.ts";
import { spendSql } from "./spend-sql.ts";

/** All that was ever booked for one combination of dimensions. */
export type SpendTotal = {
	/** In the order of the dimensions; "" = not attributed. */
	readonly groups: readonly string[];
	readonly calls: number;
	readonly inputTokens: bigint;
	readonly outputTokens: bigint;
	readonly costNanoUsd: bigint;
	readonly unresolvedNanoUsd: bigint;
	/** Of the cost, what was booked before yesterday: it ranks combinations alike in every worker. */
	readonly settledNanoUsd: bigint;
};

const DAY_MS = 86_400_000;
/** What days that are long over have is added to by late bookings alone. */
const OLD_DAYS_EVERY_MS = 600_000;
const END_OF_TIME_MS = Date.UTC(9999, 0);
/** Far above what dimensions without users and runs make; a database that has more is not read into memory. */
const COMBINATIONS_MAX = 1_000_000;

type Figures = Omit<SpendTotal, "groups" | "settledNanoUsd">;
type SpendRecord = {
	readonly groups: readonly (string | null)[];
	readonly calls: number;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly costNanoUsd: string;
	readonly unresolvedNanoUsd: string;
};

/** Counts what the ledger booked last into the sums, as everybody does who asks them; false in `isComplete`: some of the newest calls are not in yet. */
export function countBeforeTotals(database: Queryable): Promise<Counted> {
	return countForAnswer(database);
}

/**
 * Totals for ever of every combination of these dimensions, from the sums beside the ledger. Whole days before yesterday (UTC) are read again every ten
 * minutes only, so that an old ledger is not added up with every reading; a booking of such a day is in the totals after that time at most.
 */
export class SpendTotals {
	private readonly database: Queryable;
	private readonly by: readonly SpendDimension[];
	private readonly nowMs: () => number;
	private old: { readonly toMs: number; readonly readAtMs: number; readonly records: readonly SpendRecord[] } | undefined;

	constructor(database: Queryable, by: readonly SpendDimension[], nowMs: () => number = Date.now) {
		this.database = database;
		this.by = by;
		this.nowMs = nowMs;
	}

	async read(): Promise<readonly SpendTotal[]> {
		const now = this.nowMs();
		const yesterdayMs = Math.floor(now / DAY_MS) * DAY_MS - DAY_MS;
		if (this.old === undefined || this.old.toMs !== yesterdayMs || now - this.old.readAtMs >= OLD_DAYS_EVERY_MS)
			this.old = { toMs: yesterdayMs, readAtMs: now, records: await this.query({ fromMs: 0, toMs: yesterdayMs }) };
		return addUp(this.old.records, await this.query({ fromMs: yesterdayMs, toMs: END_OF_TIME_MS }));
	}

	private async query(span: Span): Promise<readonly SpendRecord[]> {
		const { text, values } = spendSql({ by: this.by }, span, COMBINATIONS_MAX);
		return (await this.database.query<SpendRecord>(text, values)).rows;
	}
}

function addUp(old: readonly SpendRecord[], recent: readonly SpendRecord[]): SpendTotal[] {
	const totals = new Map<string, SpendTotal>();
	for (const [records, areOld] of [
		[old, true],
		[recent, false],
	] as const) {
		for (const record of records) {
			const groups = record.groups.map((group) => group ?? "");
			const key = JSON.stringify(groups);
			const figures = read(record);
			const before = totals.get(key);
			totals.set(key, {
				groups,
				...(before === undefined ? figures : sum(before, figures)),
				settledNanoUsd: areOld ? figures.costNanoUsd : (before?.settledNanoUsd ?? 0n),
			});
		}
	}
	return [...totals.values()];
}

function read({ calls, inputTokens, outputTokens, costNanoUsd, unresolvedNanoUsd }: SpendRecord): Figures {
	return {
		calls,
		inputTokens: BigInt(inputTokens),
		outputTokens: BigInt(outputTokens),
		costNanoUsd: BigInt(costNanoUsd),
		unresolvedNanoUsd: BigInt(unresolvedNanoUsd),
	};
}

function sum(a: Figures, b: Figures): Figures {
	return {
		calls: a.calls + b.calls,
		inputTokens: a.inputTokens + b.inputTokens,
		outputTokens: a.outputTokens + b.outputTokens,
		costNanoUsd: a.costNanoUsd + b.costNanoUsd,
		unresolvedNanoUsd: a.unresolvedNanoUsd + b.unresolvedNanoUsd,
	};
}
