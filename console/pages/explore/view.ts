import { floorTo, type Period } from "../../charts/periods.ts";
import type { RawSearch } from "../../frame/root-route.tsx";

/** What Explore shows, as its address says it: whoever is sent the address sees the same. All of it is text. */
export const DIMENSIONS = ["team", "feature", "user", "model", "askedModel", "provider", "key", "environment", "run", "batch"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** Query parameter of the API that narrows to one value of a dimension; the team is that of the whole console. */
export const FILTERS = {
	feature: "feature",
	user: "userId",
	model: "model",
	askedModel: "askedModel",
	provider: "provider",
	key: "keyId",
	environment: "environment",
	run: "runId",
	batch: "batchId",
} as const satisfies Partial<Record<Dimension, string>>;
export type FilterName = (typeof FILTERS)[keyof typeof FILTERS];
export const FILTER_NAMES: readonly FilterName[] = Object.values(FILTERS);

export const DIMENSION_WORDS: Readonly<Record<Dimension, string>> = {
	team: "Team",
	feature: "Feature",
	user: "User",
	model: "Model",
	askedModel: "Asked model",
	provider: "Provider",
	key: "Key",
	environment: "Environment",
	run: "Agent run",
	batch: "Batch",
};

export const PERIODS = ["hour", "day", "week", "month"] as const satisfies readonly Period[];
export const DIMENSIONS_MAX = 4;

export const RANGES = [
	{ value: "24h", label: "24 hours" },
	{ value: "7d", label: "7 days" },
	{ value: "14d", label: "14 days" },
	{ value: "30d", label: "30 days" },
	{ value: "90d", label: "90 days" },
	{ value: "month", label: "This month" },
	{ value: "last-month", label: "Last month" },
	{ value: "year", label: "12 months" },
	{ value: "dates", label: "From – to" },
] as const;
export type RangeName = (typeof RANGES)[number]["value"];

export type ExploreSearch = {
	readonly by?: string | undefined;
	readonly per?: string | undefined;
	readonly range?: string | undefined;
	readonly from?: string | undefined;
	readonly to?: string | undefined;
	readonly sort?: string | undefined;
} & { readonly [Name in FilterName]?: string | undefined };

export type ExploreView = {
	readonly by: readonly Dimension[];
	readonly per: Period;
	readonly range: RangeName;
	/** Of `dates` alone: days like 2026-11-01, the last one included. */
	readonly days: readonly [from: string | null, to: string | null];
	readonly filters: Readonly<Partial<Record<FilterName, string>>>;
	readonly sort: { readonly column: string; readonly direction: "ascending" | "descending" };
};

const NAMES = ["by", "per", "range", "from", "to", "sort", ...FILTER_NAMES] as const;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const SPANS_MS: Readonly<Partial<Record<RangeName, number>>> = { "24h": DAY_MS, "7d": 7 * DAY_MS, "14d": 14 * DAY_MS, "30d": 30 * DAY_MS, "90d": 90 * DAY_MS };

export function readSearch(raw: RawSearch): ExploreSearch {
	return Object.fromEntries(NAMES.flatMap((name) => (raw[name] ? [[name, raw[name]]] : [])));
}

/** What makes no sense is as if it were not there: an old or mistyped address shows something. */
export function readView(search: ExploreSearch, hasTeam: boolean): ExploreView {
	const named = (search.by ?? "").split(",").filter((name): name is Dimension => DIMENSIONS.some((known) => known === name));
	const by = [...new Set(named)].slice(0, DIMENSIONS_MAX);
	const range = RANGES.find(({ value }) => value === search.range)?.value ?? (search.from === undefined ? "30d" : "dates");
	const [column = "cost", direction] = (search.sort ?? "").split(".");
	return {
		by: by.length > 0 ? by : hasTeam ? ["model"] : ["team"],
		per: PERIODS.find((period) => period === search.per) ?? "day",
		range,
		days: range === "dates" ? [search.from ?? null, search.to ?? null] : [null, null],
		filters: Object.fromEntries(FILTER_NAMES.flatMap((name) => (search[name] === undefined ? [] : [[name, search[name]]]))),
		sort: { column: column === "" ? "cost" : column, direction: direction === "ascending" ? "ascending" : "descending" },
	};
}

export type Span = { readonly fromMs: number /** Absent: until now. */; readonly toMs: number | undefined };

/** On whole hours of UTC, as spend is known; ranges of days are days of UTC. */
export function spanOf({ range, days: [from, to] }: ExploreView, nowMs: number): Span {
	const spanMs = SPANS_MS[range];
	if (spanMs !== undefined)
		return { fromMs: range === "24h" ? floorTo("hour", nowMs) - spanMs + HOUR_MS : floorTo("day", nowMs) - spanMs + DAY_MS, toMs: undefined };
	const thisMonth = floorTo("month", nowMs);
	if (range === "month") return { fromMs: thisMonth, toMs: undefined };
	if (range === "last-month") return { fromMs: floorTo("month", thisMonth - 1), toMs: thisMonth };
	if (range === "year") return { fromMs: floorTo("month", thisMonth - 334 * DAY_MS), toMs: undefined };
	const fromMs = dayMs(from) ?? floorTo("day", nowMs) - 29 * DAY_MS;
	const lastMs = dayMs(to);
	return { fromMs, toMs: lastMs === undefined ? undefined : lastMs + DAY_MS };
}

function dayMs(day: string | null): number | undefined {
	const ms = day === null ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
	return Number.isNaN(ms) ? undefined : ms;
}

/** The question to the API, without periods. */
export function questionOf(view: ExploreView, span: Span, team: string | undefined) {
	return {
		by: view.by.join(","),
		from: new Date(span.fromMs).toISOString(),
		...(span.toMs !== undefined && { to: new Date(span.toMs).toISOString() }),
		...(team !== undefined && { teamId: team }),
		...view.filters,
	};
}
