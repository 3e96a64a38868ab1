import type { SpendDimension, SpendPeriod } from "#domain/spend/dimensions.ts";
import { coverSpan, type Span } from "#domain/spend/spans.ts";

/** How a question of spend is put to the sums of migrations/0032: of slices by hour and day, of users, runs and batches by hour and month. */
type Asked = {
	readonly by: readonly SpendDimension[];
	readonly per?: SpendPeriod | undefined;
	readonly only?: Readonly<Partial<Record<SpendDimension, string | undefined>>>;
};

type Dimension = {
	/** Column beside the slice; absent: it is the slice's. */
	readonly column?: string;
	/** Over `s` (slice) and `p` (sums). */
	readonly group: string;
	/** `value` is a parameter. */
	readonly isOnly: (value: string) => string;
	readonly join?: string;
};

const ofSlice = (column: string): Dimension => ({ group: `nullif(s.${column}, '')`, isOnly: (value) => `s.${column} = ${value}` });
const ofAccount = (column: string, prefix: string): Dimension => ({
	group: `regexp_replace(s.${column}, '^${prefix}', '')`,
	isOnly: (value) => `s.${column} = '${prefix}' || ${value}`,
});
const ofNumbered = (column: string, table: string): Dimension => ({
	column,
	group: `${table}_of.id`,
	isOnly: (value) => `${column} = (SELECT number FROM tollgate.${table} WHERE id = ${value})`,
	join: `LEFT JOIN tollgate.${table} ${table}_of ON ${table}_of.number = p.${column}`,
});

const DIMENSIONS: Readonly<Record<SpendDimension, Dimension>> = {
	team: ofAccount("debit_account", "team/"),
	provider: ofAccount("credit_account", "provider/"),
	feature: ofSlice("feature"),
	model: ofSlice("model"),
	askedModel: ofSlice("asked_model"),
	key: ofSlice("key_id"),
	environment: ofSlice("environment"),
	user: { column: "user_id", group: "nullif(p.user_id, '')", isOnly: (value) => `user_id = ${value}` },
	run: ofNumbered("run_number", "run"),
	batch: ofNumbered("batch_number", "batch"),
};

const MEASURES = ["calls", "input_tokens", "output_tokens", "amount_nano_usd", "unresolved_nano_usd"];
const SUMS = MEASURES.map((name) => `sum(${name}) AS ${name}`).join(", ");

const OF_SLICES = { hours: "spend_hour", whole: "spend_utc_day", unit: "day" } as const;
const OF_DETAILS = { hours: "spend_detail_hour", whole: "spend_detail_month", unit: "month" } as const;
/** Periods that are not made of whole units. */
const FINER: Readonly<Record<"day" | "month", readonly SpendPeriod[]>> = { day: ["hour"], month: ["hour", "day", "week"] };

/** Columns of a row: groups (text[], in the order of `by`), startsAt (null without `per`), calls, inputTokens, outputTokens, costNanoUsd, unresolvedNanoUsd. */
export function spendSql({ by, per, only = {} }: Asked, span: Span, rowsMax: number): { readonly text: string; readonly values: unknown[] } {
	const values: unknown[] = [];
	const put = (value: unknown): string => `$${values.push(value)}`;
	const asked = by.map((name) => DIMENSIONS[name]);
	const columns = [...new Set(asked.flatMap(({ column }) => column ?? []))];
	const { conditions, isDetailed } = narrowing(only, put);
	const kept = isDetailed || columns.length > 0 ? OF_DETAILS : OF_SLICES;
	const period = per === undefined ? "NULL::timestamptz" : `date_trunc('${per}', starts_at, 'UTC')`;
	const keys = ["slice_id", ...columns, `${period} AS period`];
	const sumsOf = (table: string, { fromMs, toMs }: Span): string => `
			SELECT ${keys.join(", ")}, ${SUMS} FROM tollgate.${table}
			WHERE starts_at >= ${put(new Date(fromMs).toISOString())} AND starts_at < ${put(new Date(toMs).toISOString())}${conditions}
			GROUP BY ${keys.map((_, index) => index + 1).join(", ")}`;
	const cover = per !== undefined && FINER[kept.unit].includes(per) ? { before: span } : coverSpan(span, kept.unit);
	const parts = [...("whole" in cover ? [sumsOf(kept.whole, cover.whole), sumsOf(kept.hours, cover.after)] : []), sumsOf(kept.hours, cover.before)];
	const text = `
		SELECT ARRAY[${asked.map(({ group }) => group).join(", ")}]::text[] AS groups, to_char(p.period AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "startsAt",
		       sum(p.calls)::float8 AS calls, sum(p.input_tokens)::text AS "inputTokens", sum(p.output_tokens)::text AS "outputTokens",
		       sum(p.amount_nano_usd)::text AS "costNanoUsd", sum(p.unresolved_nano_usd)::text AS "unresolvedNanoUsd"
		FROM (${parts.join(" UNION ALL ")}) p
		JOIN tollgate.spend_slice s ON s.id = p.slice_id
		${asked.flatMap(({ join }) => join ?? []).join(" ")}
		GROUP BY p.period, 1
		ORDER BY p.period, sum(p.amount_nano_usd) DESC, 1
		LIMIT ${rowsMax}`;
	return { text, values };
}

/** Conditions on a row of sums, after others; slices are found first, there are few of them. */
function narrowing(only: NonNullable<Asked["only"]>, put: (value: unknown) => string): { readonly conditions: string; readonly isDetailed: boolean } {
	const ofSlices: string[] = [];
	const ofDetails: string[] = [];
	for (const [name, value] of Object.entries(only)) {
		if (value === undefined) continue;
		const { column, isOnly } = DIMENSIONS[name as SpendDimension];
		(column === undefined ? ofSlices : ofDetails).push(isOnly(put(value)));
	}
	const slices = ofSlices.length === 0 ? [] : [`slice_id = ANY (ARRAY(SELECT s.id FROM tollgate.spend_slice s WHERE ${ofSlices.join(" AND ")}))`];
	return { conditions: [...slices, ...ofDetails].map((condition) => ` AND ${condition}`).join(""), isDetailed: ofDetails.length > 0 };
}
