import type { BudgetDefinition } from "#domain/budget/scope.ts";

/** A team's budget of 1,000 nano-USD a day, with a notice at 80 %: what a budget has that a test does not care about. */
export const DAILY_BUDGET: BudgetDefinition = {
	dimension: "team",
	dimensionValue: "",
	unit: "nano_usd",
	windowKind: "day",
	timeZone: "UTC",
	limitAmount: "1000",
	weekStart: 1,
	fiscalYearStart: 1,
	mode: "enforce",
	thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }],
};
