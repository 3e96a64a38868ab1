import { ascending, type BudgetDefinition, type BudgetSelector, type BudgetThreshold, DEFAULT_WARN_BASIS_POINTS } from "./scope.ts";

/** A definition as releases before thresholds wrote it, into workflow state, updates and the inputs of activities. */
type OlderDefinition = BudgetSelector & {
	readonly timeZone: string;
	readonly limitAmount: string;
	readonly stopAmount?: string | null;
	readonly warnBasisPoints?: number;
};

/** The same budget as it is defined now; one that is defined so already is returned as it is. */
export function presentDefinition(definition: BudgetDefinition | OlderDefinition): BudgetDefinition {
	if ("thresholds" in definition) return definition;
	const { stopAmount = null, warnBasisPoints = DEFAULT_WARN_BASIS_POINTS, ...kept } = definition;
	const notice: BudgetThreshold = { action: "notify", at: { basisPoints: warnBasisPoints } };
	const stops: BudgetThreshold[] = stopAmount === null ? [] : [{ action: "stop", at: { amount: stopAmount } }];
	return { ...kept, weekStart: 1, fiscalYearStart: 1, mode: "enforce", thresholds: ascending([notice, ...stops], BigInt(kept.limitAmount)) };
}
