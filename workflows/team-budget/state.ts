import { assert } from "#domain/assert.ts";
import { selectorKey } from "#domain/budget/scope.ts";
import { type CarriedState, emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import type { TeamBudgetInput } from "./messages.ts";

/**
 * The state a run begins with. It crosses continue-as-new as plain JSON, so every release must read what an older
 * one wrote: what is absent has its first value; a change of meaning is a new schema version with its upgrade here and
 * a history under test/replay/.
 */
export function initialState(input: TeamBudgetInput): TeamBudgetState {
	const fresh = emptyTeamBudget(input.teamId);
	if (input.state === undefined) return fresh;
	assert(input.state.schemaVersion === 1, `unknown state version ${String(input.state.schemaVersion)}`);
	assert(input.state.teamId === input.teamId, "a run carries its own team's state");
	const budgets = input.state.budgets.map((budget) => ({ ...budget, key: selectorKey(budget.definition) }));
	return { ...fresh, ...input.state, budgets };
}

/** The state as the next run gets it. */
export function carriedState(state: TeamBudgetState): CarriedState {
	return { ...state, budgets: state.budgets.map(({ key: _, ...budget }) => budget) };
}
