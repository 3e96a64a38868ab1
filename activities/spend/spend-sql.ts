import type { SpendDimension, SpendPeriod } from "#domain/spend/dimensions.ts";
import { coverSpan, type Span } from "#domain/spend/spans.ts";

/** How a question of spend is put to the sums of migrations/0032: of slices by hour and day, of users, runs and batches by hour and month. */
type Asked = {
	readonly by: readonly SpendDimension[];
	readonly per?: SpendPeriod | undefined;
	readonly only?: Readonly<Partial<Record<SpendDimension, string | undefined>>>;
};

type Dimension = {
	/** Of the sums, beside the slice; absent: it is the slice's own. */
	readonly column?: string;
	/** The name a person knows, over `s` (slice), or over the sums and what was joined to them. */
	readonly name: string;
	/** `value` is a parameter. */
	readonly isOnly: (value: string) => string;
	readonly join?: string;
};

const ofSlice = (column: string): Dimension => ({ name: `nullif(s.${column}, '')`, isOnly: (value) => `s.${column} = ${value}` });
const ofAccount = (column: string, prefix: string): Dimension => ({
	name: `regexp_replace(s.${column}, '^${prefix}', '')`,
	isOnly: (value) => `s.${column} = '${prefix}' || ${value}`,
});
const ofNumbered = (column: string, table: string): Dimension => ({
	column,
	name: `${table}_of.id`,
	isOnly: (value) => `t.${column} = (SELECT number FROM tollgate.${table} WHERE id = ${value})`,
	join: `LEFT JOIN tollgate.${table} ${table}_of ON ${table}_of.number = q.${column}`,
});

const DIMENSIONS: Readonly<Record<SpendDimension, Dimension>> = {
	team: ofAccount("debit_account", "team/"),
	provider: ofAccount("credit_account", "provider/"),
	feature: ofSlice("feature"),
	model: ofSlice("model"),
	askedModel: ofSlice("asked_model"),
	key: ofSlice("key_id"),
	environment: ofSlice("environment"),
	user: { column: "user_id", name: "nullif(q.user_id, '')", isOnly: (value) => `t.user_id = ${value}` },
	run: ofNumbered("run_number", "run"),
	batch: ofNumbered("batch_number", "batch"),
};

const MEASURES = ["calls", "input_tokens", "output_tokens", "amount_nano_usd", "unresolved_nano_usd"];
const SUMS = MEASURES.map((name) => `sum(${name}) AS ${name}`).join(", ");

const OF_SLICES = { hours: "spend_hour", whole: "spend_utc_day", unit: "day" } as const;
const OF_DETAILS = { hours: "spend_detail_hour", whole: "spend_detail_month", unit: "month" } as const;
/** Periods that are not made of whole units. */
const FINER: Readonly<Record<"day" | "month", readonly SpendPeriod[]>> = { day: ["hour"], month: ["hour", "day", "week"] };

/** 2001 began on a Monday. Months are put together last, from days: bins are cheap, calendars are not. */
const bin = (width: string): string => `date_bin('${width}', t.starts_at, '2001-01-01T00:00:00Z')`;
const BINS: Readonly<Record<SpendPeriod, string>> = { hour: "t.starts_at", day: bin("1 day"), week: bin("7 days"), month: bin("1 day") };

/** Columns of a row: groups (text[], in the order of `by`), startsAt (null without `per`), calls, inputTokens, outputTokens, costNanoUsd, unresolvedNanoUsd. */
export function spendSql({ by, per, only = {} }: Asked, span: Span, rowsMax: number): { readonly text: string; readonly values: unknown[] } {
	const values: unknown[] = [];
	const put = (value: unknown): string => `$${values.push(value)}`;
	const asked = by.map((name) => DIMENSIONS[name]);
	const ofSlices = asked.filter(({ column }) => column === undefined);
	const columns = asked.flatMap(({ column }) => column ?? []);
	const { slices, details } = narrowing(only, put);
	const kept = details.length > 0 || columns.length > 0 ? OF_DETAILS : OF_SLICES;
	const sumsOf = (table: string, { fromMs, toMs }: Span): string => {
		const period = per === undefined ? "NULL::timestamptz" : table === kept.whole && per === kept.unit ? "t.starts_at" : BINS[per];
		const keys = ["s.number", ...columns.map((column) => `t.${column}`), `${period} AS period`];
		const times = `t.starts_at >= ${put(new Date(fromMs).toISOString())} AND t.starts_at < ${put(new Date(toMs).toISOString())}`;
		return `
			SELECT ${keys.join(", ")}, ${SUMS} FROM tollgate.${table} t JOIN slice s ON s.id = t.slice_id
			WHERE ${[times, ...details].join(" AND ")} GROUP BY ${keys.map((_, index) => index + 1).join(", ")}`;
	};
	const cover = per !== undefined && FINER[kept.unit].includes(per) ? { before: span } : coverSpan(span, kept.unit);
	const parts = [...("whole" in cover ? [sumsOf(kept.whole, cover.whole), sumsOf(kept.hours, cover.after)] : []), sumsOf(kept.hours, cover.before)];
	const keys = ["p.number", ...columns.map((column) => `p.${column}`), `${per === "month" ? "date_trunc('month', p.period, 'UTC')" : "p.period"} AS period`];
	const text = `
		WITH slice AS MATERIALIZED (
			SELECT s.id, dense_rank() OVER (ORDER BY ${["1", ...ofSlices.map(({ name }) => name)].join(", ")}) AS number, ARRAY[${ofSlices.map(({ name }) => name).join(", ")}]::text[] AS names
			FROM tollgate.spend_slice s ${slices.length === 0 ? "" : `WHERE ${slices.join(" AND ")}`}
		), q AS MATERIALIZED (
			SELECT ${keys.join(", ")}, ${SUMS} FROM (${parts.join(" UNION ALL ")}) p GROUP BY ${keys.map((_, index) => index + 1).join(", ")}
		)
		SELECT ARRAY[${asked.map((dimension) => (dimension.column === undefined ? `s.names[${ofSlices.indexOf(dimension) + 1}]` : dimension.name)).join(", ")}]::text[] AS groups,
		       to_char(q.period AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "startsAt", q.calls::float8 AS calls, q.input_tokens::text AS "inputTokens",
		       q.output_tokens::text AS "outputTokens", q.amount_nano_usd::text AS "costNanoUsd", q.unresolved_nano_usd::text AS "unresolvedNanoUsd"
		FROM q JOIN (SELECT DISTINCT number, names FROM slice) s ON s.number = q.number
		${asked.flatMap(({ join }) => join ?? []).join(" ")}
		ORDER BY q.period, q.amount_nano_usd DESC, 1
		LIMIT ${rowsMax}`;
	return { text, values };
}

/** Conditions on slices, of which there are few, and on the sums themselves. */
function narrowing(
	only: NonNullable<Asked["only"]>,
	put: (value: unknown) => string,
): { readonly slices: readonly string[]; readonly details: readonly string[] } {
	const slices: string[] = [];
	const details: string[] = [];
	for (const [name, value] of Object.entries(only)) {
		if (value === undefined) continue;
		const { column, isOnly } = DIMENSIONS[name as SpendDimension];
		(column === undefined ? slices : details).push(isOnly(put(value)));
	}
	return { slices, details };
}
