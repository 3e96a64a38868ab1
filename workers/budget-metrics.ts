import { Gauge, type Registry } from "prom-client";
import { type BudgetShare, readBudgetShares } from "#activities/budgets/read-shares.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { OTHER } from "#domain/metrics/fold-series.ts";

const NANO_USD_PER_USD = 1e9;
type Labels = Readonly<Record<"team" | "dimension" | "value" | "unit" | "window" | "mode", string>>;

type Series = {
	readonly labels: Labels;
	readonly usedRatio: number | undefined;
	readonly money: { readonly limitUsd: number; readonly leftUsd: number } | undefined;
};
type Shown = { readonly series: readonly Series[]; readonly folded: number; readonly spent: number };

/** How far budgets are used, the same in every worker. Answers how to read it again. */
export function exposeBudgets(
	database: Queryable,
	{ metrics, seriesMax }: { readonly metrics: Registry; readonly seriesMax: number },
): () => Promise<readonly BudgetShare[]> {
	let shown: Shown = { series: [], folded: 0, spent: 0 };
	new Gauge({
		name: "tollgate_budget_used_ratio",
		help: "Share of a budget that is spent in its window, 1 = all of it.",
		labelNames: ["team", "dimension", "value", "unit", "window", "mode"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, usedRatio } of shown.series) if (usedRatio !== undefined) this.set(labels, usedRatio);
		},
	});
	new Gauge({
		name: "tollgate_budget_limit_usd",
		help: "What a budget of money lets be spent in its window, in USD.",
		labelNames: ["team", "dimension", "value", "unit", "window", "mode"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, money } of shown.series) if (money !== undefined) this.set(labels, money.limitUsd);
		},
	});
	new Gauge({
		name: "tollgate_budget_left_usd",
		help: "What is left of it, in USD.",
		labelNames: ["team", "dimension", "value", "unit", "window", "mode"],
		registers: [metrics],
		collect() {
			this.reset();
			for (const { labels, money } of shown.series) if (money !== undefined) this.set(labels, money.leftUsd);
		},
	});
	new Gauge({
		name: "tollgate_budgets_spent",
		help: "Enforced budgets of which nothing is left.",
		registers: [metrics],
		collect() {
			this.set(shown.spent);
		},
	});
	new Gauge({
		name: "tollgate_budgets_folded",
		help: "Budgets that have no series of their own.",
		registers: [metrics],
		collect() {
			this.set(shown.folded);
		},
	});
	return async () => {
		const shares = await readBudgetShares(database);
		shown = show(shares, seriesMax);
		return shares;
	};
}

/** The budgets of the organisation and of whole teams first, each the oldest first. A user's are folded always: no label names a user. */
function show(shares: readonly BudgetShare[], seriesMax: number): Shown {
	const isNameable = ({ dimension }: BudgetShare): boolean => dimension !== "user";
	const isOfTeam = ({ dimension }: BudgetShare): boolean => dimension === "organization" || dimension === "team";
	const nameable = shares.filter(isNameable);
	const ordered = [...nameable.filter(isOfTeam), ...nameable.filter((share) => !isOfTeam(share))];
	// The folded ones need series too: one for each unit and mode.
	const rest = [...ordered.slice(Math.max(0, seriesMax - FOLDED_SERIES)), ...shares.filter((share) => !isNameable(share))];
	const named = ordered.slice(0, Math.max(0, seriesMax - FOLDED_SERIES)).map(toSeries);
	return {
		series: [...named, ...fold(rest)],
		folded: rest.length,
		spent: shares.filter(({ isObserved, postedAmount, stopAmount }) => !isObserved && postedAmount >= stopAmount).length,
	};
}

/** Money and tokens, enforced and observed. */
const FOLDED_SERIES = 4;

/** What is folded shows its fullest: a rule on a share fires for it, and the list of budgets says which one it is. */
function fold(shares: readonly BudgetShare[]): readonly Series[] {
	const fullest = new Map<string, Series>();
	for (const share of shares) {
		const { labels, usedRatio } = toSeries(share);
		const key = `${labels.unit} ${labels.mode}`;
		const before = fullest.get(key);
		if (usedRatio !== undefined && (before?.usedRatio === undefined || before.usedRatio < usedRatio))
			fullest.set(key, { labels: { ...labels, team: OTHER, dimension: OTHER, value: OTHER, window: OTHER }, usedRatio, money: undefined });
	}
	return [...fullest.values()];
}

function toSeries({ teamId, dimension, dimensionValue, unit, windowKind, isObserved, stopAmount, postedAmount }: BudgetShare): Series {
	const left = stopAmount > postedAmount ? stopAmount - postedAmount : 0n;
	return {
		labels: {
			team: teamId ?? "",
			dimension,
			value: dimensionValue,
			unit: unit === "nano_usd" ? "usd" : unit,
			window: windowKind,
			mode: isObserved ? "observe" : "enforce",
		},
		// Of nothing there is no share; a budget of 0 is a way to forbid.
		usedRatio: stopAmount === 0n ? undefined : Number(postedAmount) / Number(stopAmount),
		money: unit === "nano_usd" ? { limitUsd: Number(stopAmount) / NANO_USD_PER_USD, leftUsd: Number(left) / NANO_USD_PER_USD } : undefined,
	};
}
