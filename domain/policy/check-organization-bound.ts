import { type BudgetDefinition, type BudgetUnit, selectorKey, type WindowKind } from "../budget/scope.ts";
import { describeAmount } from "./describe-policy.ts";
import type { BudgetFile, Policy, PolicyFile } from "./policy.ts";
import type { PolicyPath, PolicyProblem } from "./policy-path.ts";

/**
 * An organisation's limit bounds the sum of its teams' limits of the same window and unit, unless it is overcommitted: then it
 * is a budget that teams share. Judged on what would hold, and only when the file touches a limit that is part of the sum:
 * otherwise nobody could change anything else before that is repaired.
 */
export function checkOrganizationBound(file: PolicyFile, next: Policy): readonly PolicyProblem[] {
	if (next.organization.isOvercommitted) return [];
	return next.organization.budgets.flatMap((bound) => {
		const shares = Object.entries(next.teams).flatMap(([id, { budgets }]) =>
			budgets.filter((budget) => isShare(budget, bound)).map((budget) => ({ id, budget })),
		);
		const sum = shares.reduce((total, { budget }) => total + BigInt(budget.limitAmount), 0n);
		const path = sum > BigInt(bound.limitAmount) ? touchedAt(file, bound) : undefined;
		if (path === undefined) return [];
		const { unit, windowKind } = bound;
		const largest = [...shares].sort((left, right) => (BigInt(left.budget.limitAmount) < BigInt(right.budget.limitAmount) ? 1 : -1)).slice(0, 3);
		const teams = largest.map(({ id, budget }) => `${id} ${describeAmount(budget.limitAmount, unit)}`).join(", ");
		const problem =
			`the limits of ${shares.length} teams for the same ${windowKind} add up to ${describeAmount(sum.toString(), unit)} (${teams}${shares.length > 3 ? ", …" : ""}), ` +
			`more than the organisation's ${describeAmount(bound.limitAmount, unit)}; lower them, raise it, or set organization.overcommit to true`;
		return [{ path, problem }];
	});
}

function isShare(budget: BudgetDefinition, bound: { readonly unit: BudgetUnit; readonly windowKind: WindowKind }): boolean {
	return budget.dimension === "team" && budget.unit === bound.unit && budget.windowKind === bound.windowKind;
}

/** Where the file takes part: its organisation's limit, a team's, or that limits may no longer be promised twice. */
function touchedAt(file: PolicyFile, bound: BudgetDefinition): PolicyPath | undefined {
	const own = indexOf(file.organization?.budgets, (budget) => selectorKey(budget) === selectorKey(bound));
	if (own !== undefined) return ["organization", "budgets", own, bound.unit === "tokens" ? "tokens" : "limitUsd"];
	for (const [id, { budgets }] of Object.entries(file.teams ?? {})) {
		const share = indexOf(budgets, (budget) => budget.dimension === "team" && budget.unit === bound.unit && budget.windowKind === bound.windowKind);
		if (share !== undefined) return ["teams", id, "budgets", share, bound.unit === "tokens" ? "tokens" : "limitUsd"];
	}
	return file.organization?.isOvercommitted === undefined ? undefined : ["organization", "overcommit"];
}

function indexOf(budgets: readonly BudgetFile[] | undefined, isMeant: (budget: BudgetFile) => boolean): number | undefined {
	const index = (budgets ?? []).findIndex(isMeant);
	return index < 0 ? undefined : index;
}
