import { type BeyondLine, degradedBy, lineAhead, type Serving, servedAsAsked } from "#domain/budget/degrade.ts";
import type { MatchedBudget } from "#domain/budget/lease-book.ts";
import type { BudgetRule } from "../authority/port.ts";
import type { DegradedRecord } from "../ledger/record.ts";
import type { Admission, AdmissionInput } from "./port.ts";

/** The budgets a call meets, each with the degrade line that it may not pass as it is served now. */
export function withLines(budgets: readonly BudgetRule[], input: Pick<AdmissionInput, "model" | "serving">): readonly MatchedBudget[] {
	const serving = servingOf(input);
	return budgets.map((budget): MatchedBudget => {
		const line = lineAhead(budget.degrade ?? [], budget.budgetId, serving);
		return line === undefined ? budget : { budgetId: budget.budgetId, unit: budget.unit, dimension: budget.dimension, line };
	});
}

/** Says how a call that would pass a degrade line is to be asked for again. */
export function asDegraded(budgets: readonly BudgetRule[], beyond: BeyondLine, input: Pick<AdmissionInput, "model" | "serving">): Admission {
	const rule = budgets.find(({ budgetId }) => budgetId === beyond.budgetId);
	const servedAs: Serving = { ...degradedBy(rule?.degrade ?? [], beyond, servingOf(input)), by: beyond };
	return {
		kind: "refused",
		servedAs,
		refusal: {
			code: "budget.exceeded",
			message: `Spend has reached a line beyond which ${servedAs.asked} is served by ${servedAs.served}.`,
			...{ budget: null, unit: null, limitAmount: null, leftAmount: null, resetsAt: null, heldAmount: null, heldUntil: null },
			howToAsk: `Ask for the model ${servedAs.served}.`,
			retryAfterSeconds: null,
		},
	};
}

/** What the books keep of a call that a line degraded; undefined for any other. */
export function degradedRecord(serving: Serving | undefined): DegradedRecord | undefined {
	if (serving?.by === undefined || serving.asked === serving.served) return undefined;
	const { budgetId, place, windowId, seq, lineAmount, granted, idle, need } = serving.by;
	const amounts = { lineAmount: lineAmount.toString(), granted: granted.toString(), idle: idle.toString(), need: need.toString() };
	return { askedModel: serving.asked, by: { budgetId, place, windowId, windowSeq: seq, ...amounts } };
}

function servingOf({ model, serving }: Pick<AdmissionInput, "model" | "serving">): Serving {
	return serving ?? servedAsAsked(model);
}
