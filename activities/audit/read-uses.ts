import type { Queryable } from "#activities/keys/port.ts";
import type { SimpleDay } from "#domain/audit/audit-use.ts";
import { TASK_KINDS } from "#domain/audit/task-kind.ts";

/** Calls of one kind of work. Amounts are decimal strings of nano-USD, tokens of tokens. */
export type KindOfUse = {
	/** null: not known. */
	readonly taskKind: string | null;
	readonly calls: number;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly costNanoUsd: string;
};

/** What one feature of a team did with one model. */
export type ModelUse = {
	readonly teamId: string;
	/** null: not attributed. */
	readonly feature: string | null;
	readonly provider: string;
	/** As callers name it; the price line's is `pricedModel`. */
	readonly model: string;
	readonly pricedModel: string;
	readonly kinds: readonly KindOfUse[];
	/** Its simple calls, one entry for each day of the span. */
	readonly simpleDays: readonly SimpleDay[];
};

/** Whole days of UTC, the last one exclusive, as YYYY-MM-DD. */
export type DaySpan = { readonly from: string; readonly to: string };

export type UseQuestion = DaySpan & { readonly teamId?: string | undefined; readonly feature?: string | undefined };

const SIMPLE = Object.entries(TASK_KINDS).flatMap(([name, { isSimple }]) => (isSimple ? [name] : []));
const SPENT = `
	FROM tollgate.spend_task_day t
	WHERE starts_at >= $1::date AT TIME ZONE 'UTC' AND starts_at < $2::date AT TIME ZONE 'UTC' AND ($3::text IS NULL OR debit_account = 'team/' || $3) AND ($4::text IS NULL OR feature = $4)`;
const USE = `debit_account, feature, credit_account, model, priced_model`;
const TOKENS = ["input", "cached_input", "cache_write_5m", "cache_write_1h", "output", "reasoning"]
	.map((name) => `sum(${name}_tokens)::text AS ${name}_tokens`)
	.join(", ");
const KINDS = `SELECT ${USE}, task_kind, sum(calls)::float8 AS calls, ${TOKENS}, sum(amount_nano_usd)::text AS amount_nano_usd ${SPENT}
	GROUP BY ${USE}, task_kind ORDER BY sum(amount_nano_usd) DESC, ${USE}, task_kind`;
const DAYS = `SELECT ${USE}, (starts_at AT TIME ZONE 'UTC')::date - $1::date AS day, sum(calls)::float8 AS calls, ${TOKENS}, sum(amount_nano_usd)::text AS amount_nano_usd ${SPENT}
	AND task_kind = ANY ($5) GROUP BY ${USE}, starts_at`;

type UseRow = {
	readonly debit_account: string;
	readonly feature: string;
	readonly credit_account: string;
	readonly model: string;
	readonly priced_model: string;
	readonly calls: number;
	readonly input_tokens: string;
	readonly cached_input_tokens: string;
	readonly cache_write_5m_tokens: string;
	readonly cache_write_1h_tokens: string;
	readonly output_tokens: string;
	readonly reasoning_tokens: string;
	readonly amount_nano_usd: string;
};
type KindRow = UseRow & { readonly task_kind: string };
type DayRow = UseRow & { readonly day: number };

const DAY_MS = 86_400_000;
const NO_CALLS: SimpleDay = {
	calls: 0,
	inputTokens: 0n,
	cachedInputTokens: 0n,
	cacheWrite5mTokens: 0n,
	cacheWrite1hTokens: 0n,
	outputTokens: 0n,
	reasoningTokens: 0n,
	costNanoUsd: 0n,
};

/** From the sums by kind of work (migrations/0032), the dearest first; whoever asks has counted what is new. */
export async function readModelUses(database: Queryable, { from, to, teamId, feature }: UseQuestion): Promise<readonly ModelUse[]> {
	const values = [from, to, teamId ?? null, feature ?? null];
	const { rows: kindRows } = await database.query<KindRow>(KINDS, values);
	const { rows: dayRows } = await database.query<DayRow>(DAYS, [...values, SIMPLE]);
	const spanDays = Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
	const days = new Map<string, SimpleDay[]>();
	for (const row of dayRows) daysOf(days, row, spanDays)[row.day] = toDay(row);
	const uses = new Map<string, KindRow[]>();
	for (const row of kindRows) {
		const known = uses.get(keyOf(row));
		if (known === undefined) uses.set(keyOf(row), [row]);
		else known.push(row);
	}
	return [...uses].flatMap(([key, rows]) => (rows[0] === undefined ? [] : [toUse(rows[0], rows, days.get(key) ?? [])]));
}

function keyOf(row: UseRow): string {
	return JSON.stringify([row.debit_account, row.feature, row.credit_account, row.model, row.priced_model]);
}

function daysOf(all: Map<string, SimpleDay[]>, row: DayRow, spanDays: number): SimpleDay[] {
	const known = all.get(keyOf(row));
	if (known !== undefined) return known;
	const days = Array.from({ length: spanDays }, () => NO_CALLS);
	all.set(keyOf(row), days);
	return days;
}

function toUse(first: KindRow, rows: readonly KindRow[], simpleDays: readonly SimpleDay[]): ModelUse {
	return {
		teamId: first.debit_account.replace(/^team\//, ""),
		feature: first.feature === "" ? null : first.feature,
		provider: first.credit_account.replace(/^provider\//, ""),
		model: first.model,
		pricedModel: first.priced_model,
		kinds: rows.map((row) => ({
			taskKind: row.task_kind === "" ? null : row.task_kind,
			calls: row.calls,
			inputTokens: row.input_tokens,
			outputTokens: row.output_tokens,
			costNanoUsd: row.amount_nano_usd,
		})),
		simpleDays,
	};
}

function toDay(row: DayRow): SimpleDay {
	return {
		calls: row.calls,
		inputTokens: BigInt(row.input_tokens),
		cachedInputTokens: BigInt(row.cached_input_tokens),
		cacheWrite5mTokens: BigInt(row.cache_write_5m_tokens),
		cacheWrite1hTokens: BigInt(row.cache_write_1h_tokens),
		outputTokens: BigInt(row.output_tokens),
		reasoningTokens: BigInt(row.reasoning_tokens),
		costNanoUsd: BigInt(row.amount_nano_usd),
	};
}
