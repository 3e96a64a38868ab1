import type { Increase, IncreaseRules } from "#domain/budget/increases.ts";
import type { HeldRevision } from "../budgets/port.ts";

/**
 * Where increases are kept and come into force. The team's workflow is the only writer; its policy revision is the fence,
 * and each step done twice is done once. A revision above the one given = nothing was changed.
 */
export type IncreaseStore = {
	/** Approvers and ceiling as they are now. */
	readIncreaseRules(input: { readonly teamId: string }): Promise<IncreaseRules>;
	/** A request as it was asked for, or closed without a raise. */
	recordIncrease(input: RecordIncreaseInput): Promise<HeldRevision>;
	/** Raises the limit of an approved request until its date. Refused ("admin.invalid") where the decision may not be made any more. */
	applyIncrease(input: Omit<RecordIncreaseInput, "requestedBy">): Promise<HeldRevision>;
	/** Ends a raise in force before its date, by whom `increase.ending` names. Refused ("admin.invalid") where he may not, or where it is not in force. */
	endIncreaseEarly(input: Omit<RecordIncreaseInput, "requestedBy">): Promise<HeldRevision>;
	/** Raises whose date is over. */
	endIncreases(input: { readonly teamId: string; readonly revision: number; readonly increaseIds: readonly string[] }): Promise<HeldRevision>;
};

export type RecordIncreaseInput = {
	readonly teamId: string;
	readonly revision: number;
	/** Who took this step; "tollgate" where time did. */
	readonly requestedBy: string;
	readonly increase: Increase;
};
