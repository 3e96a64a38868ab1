import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { SpendDimension, SpendPeriod } from "#domain/spend/dimensions.ts";
import { HOUR_MS, type Span } from "#domain/spend/spans.ts";
import { countForAnswer } from "./count-spend.ts";
import { spendSql } from "./spend-sql.ts";

export type SpendQuestion = {
	/** In the order of the answer; none: one sum. */
	readonly by: readonly SpendDimension[];
	/** One row a period as well; periods are UTC's. */
	readonly per?: SpendPeriod | undefined;
	/** ISO 8601, on the hour; default: start of this month, UTC. */
	readonly from?: string | undefined;
	/** ISO 8601, on the hour, exclusive; default: now. */
	readonly to?: string | undefined;
	/** Only what is attributed so. */
	readonly only?: Readonly<Partial<Record<SpendDimension, string | undefined>>>;
};

/** Amounts are decimal strings of nano-USD. */
export type SpendRow = {
	/** null: not attributed in this dimension. */
	readonly groups: Readonly<Partial<Record<SpendDimension, string | null>>>;
	/** Of the period, ISO 8601; absent without one. */
	readonly startsAt?: string;
	readonly calls: number;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly costNanoUsd: string;
	/** Part of the cost that was charged without knowing and not yet resolved. */
	readonly unresolvedNanoUsd: string;
};

export type Spend = {
	/** By period, then the dearest first. */
	readonly rows: readonly SpendRow[];
	/** Everything that the ledger held is in it; false: of the newest calls some are not counted yet. */
	readonly isComplete: boolean;
};

const ROWS_MAX = 10_000;
const DAYS_MAX = 1_830;
const DAY_MS = 86_400_000;
const END_OF_TIME_MS = Date.UTC(9999, 0);

/**
 * What was spent, corrections and archived months included, from the sums kept beside the ledger; what the ledger booked last is counted first.
 * @throws CostControlError "admin.invalid" for a time that is none or not on the hour, for a span that is backwards or of more than five years, and for
 *   an answer of more than 10,000 rows.
 */
export async function readSpend(database: Queryable, question: SpendQuestion): Promise<Spend> {
	const span = readSpan(question);
	const { isComplete } = await countForAnswer(database);
	const { text, values } = spendSql(question, span, ROWS_MAX + 1);
	const { rows } = await database.query<SpendRecord>(text, values);
	if (rows.length > ROWS_MAX)
		throw invalid(
			question.per === undefined ? "by" : "per",
			`makes more than ${ROWS_MAX} rows: ask for a shorter time, longer periods, fewer dimensions or one team`,
		);
	return { rows: rows.map((row) => toRow(row, question.by)), isComplete };
}

type SpendRecord = Omit<SpendRow, "groups" | "startsAt"> & { readonly groups: readonly (string | null)[]; readonly startsAt: string | null };

function toRow({ groups, startsAt, ...figures }: SpendRecord, by: readonly SpendDimension[]): SpendRow {
	const named = Object.fromEntries(by.map((dimension, index) => [dimension, groups[index] ?? null]));
	return { groups: named, ...(startsAt !== null && { startsAt }), ...figures };
}

function readSpan({ from, to }: SpendQuestion): Span {
	const now = new Date();
	const fromMs = readHour(from, "from") ?? Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
	const toMs = readHour(to, "to");
	const endMs = toMs ?? now.getTime();
	if (toMs !== undefined && fromMs > toMs) throw invalid("to", "is before from");
	if (endMs - fromMs > DAYS_MAX * DAY_MS)
		throw invalid("from", `is more than ${DAYS_MAX} days before ${toMs === undefined ? "now" : "to"}: ask for five years at most`);
	return { fromMs, toMs: toMs ?? END_OF_TIME_MS };
}

function readHour(text: string | undefined, field: string): number | undefined {
	if (text === undefined) return undefined;
	const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
	if (Number.isNaN(ms)) throw invalid(field, `${JSON.stringify(text.slice(0, 40))} is no time like 2026-11-01 or 2026-11-01T12:00:00Z`);
	if (ms % HOUR_MS !== 0) throw invalid(field, `${text} is not on the hour: what was spent is known by hours of UTC`);
	return ms;
}

function invalid(field: string, problem: string): CostControlError {
	return new CostControlError("admin.invalid", `${field}: ${problem}`, { details: { field } });
}
