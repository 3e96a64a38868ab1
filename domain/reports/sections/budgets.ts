import { type BudgetDimension, describeSelector } from "../../budget/scope.ts";
import type { NearBudget, ReportFacts } from "../facts.ts";
import { dearestFirst } from "../figures.ts";
import { type Cell, columnsOf, money, NONE, type ReportSection, sectionOf, share, text } from "../report.ts";
import { readableInstant } from "../report-period.ts";

/** From so much of the limit on a budget is near it. */
const NEAR_PERCENT = 80n;
const ROWS_MAX = 20;
/** Of shares. */
const WHOLE = 1_000_000n;

/** Budgets in money that stood near their limit, or beyond it, when the period ended. */
export function writeBudgets({ teamId, budgets }: ReportFacts): ReportSection | null {
	const near = (budgets ?? []).filter(({ spentNanoUsd, limitNanoUsd }) => spentNanoUsd > 0n && spentNanoUsd * 100n >= limitNanoUsd * NEAR_PERCENT);
	if (near.length === 0) return null;
	const ranked = dearestFirst(near, shareOf, (budget) => `${budget.teamId ?? ""} ${selectorText(budget)}`).slice(0, ROWS_MAX);
	const isOfAll = teamId === null;
	const rows = ranked.map((budget): readonly Cell[] => [
		...(isOfAll ? [text(budget.teamId ?? "the organisation")] : []),
		text(selectorText(budget)),
		money(budget.spentNanoUsd),
		money(budget.limitNanoUsd),
		share(budget.spentNanoUsd, budget.limitNanoUsd),
		budget.windowEndsAtMs === null ? NONE : text(readableInstant(budget.windowEndsAtMs)),
	]);
	const columns = columnsOf(...(isOfAll ? ["Team"] : []), "Budget", ">Spent", ">Limit", ">Used", "Window ends");
	return sectionOf("budgets", "Budgets near their limits", { tables: [{ caption: "As they stood when the period ended", columns, rows }] });
}

function shareOf({ spentNanoUsd, limitNanoUsd }: NearBudget): bigint {
	return limitNanoUsd === 0n ? spentNanoUsd * WHOLE : (spentNanoUsd * WHOLE) / limitNanoUsd;
}

function selectorText({ dimension, dimensionValue, windowKind, isObserved }: NearBudget): string {
	const selector = describeSelector({ dimension: dimension as BudgetDimension, dimensionValue, unit: "nano_usd", windowKind });
	return isObserved ? `${selector}, only observes` : selector;
}
