import type { BudgetThreshold } from "../budget/scope.ts";

/** A ceiling that is known before a call, as the budget that keeps it. */
export type RunBudget = {
	readonly unit: "nano_usd" | "input_tokens" | "output_tokens" | "steps";
	/** Decimal string in the unit. */
	readonly limitAmount: string;
	readonly thresholds: readonly BudgetThreshold[];
};

