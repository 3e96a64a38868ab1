import type { Increase } from "#domain/budget/increases.ts";
import type { BudgetDefinition, BudgetSelector } from "#domain/budget/scope.ts";
import type { HeldFreeze, WindowReport } from "#domain/budget/team-budget-state.ts";

/**
 * Where limits are in force. The team's workflow is the only writer; its policy revision is the fence.
 * `teamId` may be "@organization". Amounts are decimal strings in the unit of the budget.
 */
export type BudgetStore = {
	/** Writes one policy revision as a whole; repeating it changes nothing. */
	writeBudgets(input: WriteBudgetsInput): Promise<HeldRevision>;
	/** Freezes or unfreezes every budget of a team, present and future; answers what then holds, which may be a newer decision. */
	setFrozen(input: SetFrozenInput): Promise<HeldRevision & { readonly freeze?: HeldFreeze }>;
	readBudgets(input: { readonly teamId: string }): Promise<HeldBudgets>;
	/** Remembers an announcement once by its key, and makes its alert in the same statement; false = it was known. */
	recordEvent(input: GovernanceEvent): Promise<boolean>;
	/** Newest policy revision that PostgreSQL holds completely for a team; 0 before the first. */
	heldRevision(teamId: string): Promise<number>;
};

export type WriteBudgetsInput = {
	readonly teamId: string;
	readonly revision: number;
	/** Name of the person who asked; recorded with the change. */
	readonly requestedBy: string;
	readonly set: readonly BudgetDefinition[];
	readonly remove: readonly BudgetSelector[];
};

export type SetFrozenInput = {
	readonly teamId: string;
	readonly isFrozen: boolean;
	readonly reason: string;
	/** null = straight from a person, without the fence. */
	readonly revision: number | null;
	readonly requestedBy: string;
	/** Newest decision the asker knew of: an unfreeze does not end a freeze that came after it. Absent = whatever came before. */
	readonly knownSeq?: number;
};

/** The revision PostgreSQL holds afterwards; above the one that was written: nothing was changed (fenced). */
export type HeldRevision = { readonly heldRevision: number };

export type HeldBudgets = {
	readonly revision: number;
	readonly isFrozen: boolean;
	readonly freezeReason?: string | null;
	readonly freezeSeq?: number;
	/** Newest revision that a policy document wrote; 0 before the first. */
	readonly documentRevision?: number;
	readonly budgets: readonly BudgetDefinition[];
	readonly windows: readonly WindowReport[];
	/** Increases that wait for a decision or are in force. */
	readonly increases?: readonly Increase[];
};

export type GovernanceEvent = {
	/** Idempotency key, e.g. "demo|team||nano_usd|day|1763856000000|threshold.warn.fired|200000000". */
	readonly eventKey: string;
	readonly teamId: string;
	readonly event: string;
	readonly detail: Readonly<Record<string, string | number>>;
};
