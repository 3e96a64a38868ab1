/**
 * Which budgets a call meets: those whose selector equals one of its attributed values. Only attributed values
 * count (from the key, or asserted by a key that may), never what the caller claims.
 */
export type CallDimensions = {
	readonly teamId: string;
	readonly feature: string | null;
	readonly user: string | null;
	readonly model: string;
	readonly provider: string;
	readonly key: string;
	readonly environment: string | null;
};

export type BudgetSelector = {
	readonly teamId: string | null;
	/** "run": a ceiling of an agent run, whose number is the value. Never among the budgets of a team. */
	readonly dimension: "organization" | "team" | "feature" | "user" | "model" | "provider" | "key" | "environment" | "run";
	readonly dimensionValue: string;
};

/** A call meets at most this many windows (money-path §1). */
export const MAX_MATCHED_BUDGETS = 32;

export function matches(selector: BudgetSelector, call: CallDimensions): boolean {
	if (selector.dimension === "organization") return true;
	if (selector.teamId !== call.teamId) return false;
	if (selector.dimension === "team") return true;
	return selector.dimension !== "run" && call[selector.dimension] === selector.dimensionValue;
}

/** Budgets of a call ascending by id (the lock order), and whether one of them is the team's own. */
export function matchBudgets<Rule extends BudgetSelector & { readonly budgetId: string }>(
	rules: readonly Rule[],
	call: CallDimensions,
): { readonly budgets: readonly Rule[]; readonly hasTeamBudget: boolean } {
	const budgets = rules.filter((rule) => matches(rule, call)).sort((left, right) => compareIds(left.budgetId, right.budgetId));
	return { budgets, hasTeamBudget: budgets.some((rule) => rule.dimension !== "organization") };
}

/** Two lists ascending by id as one; no budget is in both. */
export function mergeById<Rule extends { readonly budgetId: string }>(left: readonly Rule[], right: readonly Rule[]): Rule[] {
	const merged: Rule[] = [];
	let place = 0;
	for (const rule of left) {
		for (let next = right[place]; next !== undefined && compareIds(next.budgetId, rule.budgetId) < 0; next = right[++place]) merged.push(next);
		merged.push(rule);
	}
	for (; place < right.length; place++) merged.push(right[place] as Rule);
	return merged;
}

/** Order of decimal ids as numbers. */
export function compareIds(left: string, right: string): number {
	return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}
