import type { BudgetThreshold } from "../budget/scope.ts";
import { MAX_LIMIT_NANO_USD } from "../money/nano-usd.ts";
import type { Ceiling, CeilingKind } from "./ceilings.ts";

/** A ceiling that is known before a call, as the budget that keeps it. */
export type RunBudget = {
	readonly unit: "nano_usd" | "input_tokens" | "output_tokens" | "steps";
	/** Decimal string in the unit. */
	readonly limitAmount: string;
	readonly thresholds: readonly BudgetThreshold[];
};

const RESERVED: readonly (readonly [CeilingKind, RunBudget["unit"]])[] = [
	["costNanoUsd", "nano_usd"],
	["inputTokens", "input_tokens"],
	["outputTokens", "output_tokens"],
	["steps", "steps"],
];

/**
 * The ceilings on money, tokens and steps as budgets, in this order of units. A soft ceiling that degrades is a line of the budget, so that it
 * is exact; without a hard one its budget has the largest limit there is. One that only warns is told from what was taken, and makes no budget.
 */
export function runBudgets(ceilings: readonly Ceiling[]): readonly RunBudget[] {
	return RESERVED.flatMap(([kind, unit]) => {
		const ceiling = ceilings.find((other) => other.kind === kind);
		const soft = ceiling?.soft?.action === "degrade" ? ceiling.soft : undefined;
		if (ceiling?.hard === undefined && soft === undefined) return [];
		const thresholds: readonly BudgetThreshold[] = soft ? [{ action: "degrade", at: { amount: soft.at.toString() }, degradeTo: soft.degradeTo }] : [];
		return [{ unit, limitAmount: (ceiling?.hard?.at ?? MAX_LIMIT_NANO_USD).toString(), thresholds }];
	});
}
