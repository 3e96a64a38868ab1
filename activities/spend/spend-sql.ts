import type { SpendDimension, SpendPeriod } from "#domain/spend/dimensions.ts";
import { coverSpan, type Span } from "#domain/spend/spans.ts";

/** How a question of spend is put to the sums of migrations/0032: to the coarsest that know enough, and to finer ones at both ends of the time. */
type Asked = {
	readonly by: readonly SpendDimension[];
	readonly per?: SpendPeriod | undefined;
	readonly only?: Readonly<Partial<Record<SpendDimension, string | undefined>>>;
};

type Dimension = {
	/** Of the slice, and of finest sums beside it. */
	readonly column: string;
	readonly isBeside: boolean;
	/** What a person knows of the value `group` (SQL). */
	readonly name: (group: string) => string;
	/** The value of a parameter (SQL). */
	readonly value: (parameter: string) => string;
	readonly join?: (group: string) => string;
};

const ofSlice = (column: string): Dimension => ({ column, isBeside: false, name: (group) => `nullif(${group}, '')`, value: (parameter) => parameter });
const ofAccount = (column: string, prefix: string): Dimension => ({
	column,
	isBeside: false,
	name: (group) => `regexp_replace(${group}, '^${prefix}', '')`,
	value: (parameter) => `'${prefix}' || ${parameter}`,
});
const ofNumbered = (column: string, table: string): Dimension => ({
	column,
	isBeside: true,
	name: () => `${table}_of.id`,
	value: (parameter) => `(SELECT number FROM tollgate.${table} WHERE id = ${parameter})`,
	join: (group) => `LEFT JOIN tollgate.${table} ${table}_of ON ${table}_of.number = ${group}`,
});

const DIMENSIONS: Readonly<Record<SpendDimension, Dimension>> = {
	team: ofAccount("debit_account", "team/"),
	provider: ofAccount("credit_account", "provider/"),
	feature: ofSlice("feature"),
	model: ofSlice("model"),
	askedModel: ofSlice("asked_model"),
	key: ofSlice("key_id"),
	environment: ofSlice("environment"),
	user: { ...ofSlice("user_id"), isBeside: true },
	run: ofNumbered("run_number", "run"),
	batch: ofNumbered("batch_number", "batch"),
};

/** Sums of one kind. `of`: the dimension of their slices, '' = combinations. */
type Layer = { readonly table: string; readonly unit: "month" | "day" | "hour"; readonly of: SpendDimension | ""; readonly isDetail: boolean };

const COMBINED_HOURS: Layer = { table: "spend_hour", unit: "hour", of: "", isDetail: false };
const DETAILED_HOURS: Layer = { table: "spend_detail_hour", unit: "hour", of: "", isDetail: true };
const DETAILED: readonly Layer[] = [{ table: "spend_detail_month", unit: "month", of: "", isDetail: true }, DETAILED_HOURS];
const slicesOf = (of: Layer["of"], hours: Layer): readonly Layer[] => [
	{ table: "spend_utc_month", unit: "month", of, isDetail: false },
	{ table: of === "user" ? "spend_user_day" : "spend_utc_day", unit: "day", of, isDetail: false },
	hours,
];

/** Coarsest first. */
function layersFor(dimensions: readonly SpendDimension[]): readonly Layer[] {
	const different = [...new Set(dimensions)];
	const [first = "team"] = different;
	const isDetailed = different.some((name) => DIMENSIONS[name].isBeside);
	if (different.length <= 1 && first !== "run") return slicesOf(first, isDetailed ? DETAILED_HOURS : COMBINED_HOURS);
	return isDetailed ? DETAILED : slicesOf("", COMBINED_HOURS);
}

/** Units that a period is made of; without a period any. */
const UNITS: Readonly<Record<SpendPeriod, readonly Layer["unit"][]>> = {
	hour: ["hour"],
	day: ["day", "hour"],
	week: ["day", "hour"],
	month: ["month", "day", "hour"],
};

type Part = readonly [layer: Layer, span: Span];

function partsOf(span: Span, [layer, ...finer]: readonly Layer[]): readonly Part[] {
	if (layer === undefined || span.fromMs >= span.toMs) return [];
	if (layer.unit === "hour") return [[layer, span]];
	const { before, whole, after } = coverSpan(span, layer.unit);
	const middle: readonly Part[] = whole.fromMs < whole.toMs ? [[layer, whole]] : [];
	return [...middle, ...partsOf(before, finer), ...partsOf(after, finer)];
}

const SUMS = ["calls", "input_tokens", "output_tokens", "amount_nano_usd", "unresolved_nano_usd"].map((name) => `sum(${name}) AS ${name}`).join(", ");

/** 2001 began on a Monday. Months are put together last, from days: bins are cheap, calendars are not. */
const bin = (width: string): string => `date_bin('${width}', t.starts_at, '2001-01-01T00:00:00Z')`;
const BINS: Readonly<Record<SpendPeriod, string>> = { hour: "t.starts_at", day: bin("1 day"), week: bin("7 days"), month: bin("1 day") };

/** Columns of a row: groups (text[], in the order of `by`), startsAt (null without `per`), calls, inputTokens, outputTokens, costNanoUsd, unresolvedNanoUsd. */
export function spendSql({ by, per, only = {} }: Asked, span: Span, rowsMax: number): { readonly text: string; readonly values: unknown[] } {
	const values: unknown[] = [];
	const put = (value: unknown): string => `$${values.push(value)}`;
	const narrowed = Object.entries(only).flatMap(([name, value]) => (value === undefined ? [] : [{ name: name as SpendDimension, parameter: put(value) }]));
	const layers = layersFor([...by, ...narrowed.map(({ name }) => name)]).filter(({ unit }) => per === undefined || UNITS[per].includes(unit));
	const column = (layer: Layer, name: SpendDimension): string => `${layer.isDetail && DIMENSIONS[name].isBeside ? "t" : "s"}.${DIMENSIONS[name].column}`;
	const sumsOf = ([layer, { fromMs, toMs }]: Part): string => {
		const period = per === undefined ? "NULL::timestamptz" : per === layer.unit ? "t.starts_at" : BINS[per];
		const keys = [...by.map((name, index) => `${column(layer, name)} AS g${index}`), `${period} AS period`];
		const conditions = [
			`s.dimension = '${layer.of}'`,
			`t.starts_at >= ${put(new Date(fromMs).toISOString())}`,
			`t.starts_at < ${put(new Date(toMs).toISOString())}`,
			...narrowed.map(({ name, parameter }) => `${column(layer, name)} = ${DIMENSIONS[name].value(parameter)}`),
		];
		return `
			SELECT ${keys.join(", ")}, ${SUMS} FROM tollgate.${layer.table} t JOIN tollgate.spend_slice s ON s.id = t.slice_id
			WHERE ${conditions.join(" AND ")} GROUP BY ${keys.map((_, index) => index + 1).join(", ")}`;
	};
	const parts = partsOf(span, layers);
	const nothing: Part = [DETAILED_HOURS, span];
	const keys = [...by.map((_, index) => `p.g${index}`), per === "month" ? "date_trunc('month', p.period, 'UTC') AS period" : "p.period"];
	const text = `
		WITH q AS MATERIALIZED (
			SELECT ${keys.join(", ")}, ${SUMS} FROM (${(parts.length === 0 ? [nothing] : parts).map(sumsOf).join(" UNION ALL ")}) p
			GROUP BY ${keys.map((_, index) => index + 1).join(", ")}
		)
		SELECT ARRAY[${by.map((name, index) => DIMENSIONS[name].name(`q.g${index}`)).join(", ")}]::text[] AS groups,
		       to_char(q.period AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "startsAt", q.calls::float8 AS calls, q.input_tokens::text AS "inputTokens",
		       q.output_tokens::text AS "outputTokens", q.amount_nano_usd::text AS "costNanoUsd", q.unresolved_nano_usd::text AS "unresolvedNanoUsd"
		FROM q ${by.map((name, index) => DIMENSIONS[name].join?.(`q.g${index}`) ?? "").join(" ")}
		ORDER BY q.period, q.amount_nano_usd DESC, 1
		LIMIT ${rowsMax}`;
	return { text, values };
}
