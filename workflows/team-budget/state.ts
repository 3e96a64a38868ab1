import { assert } from "#domain/assert.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import type { TeamBudgetInput } from "./messages.ts";

/**
 * The state a run begins with. It crosses continue-as-new as plain JSON, so every release must read what an older
 * one wrote: a new schema version adds its upgrade here and a history under test/replay/.
 */
export function initialState(input: TeamBudgetInput): TeamBudgetState {
	if (input.state === undefined) return emptyTeamBudget(input.teamId);
	assert(input.state.schemaVersion === 1, `unknown state version ${String(input.state.schemaVersion)}`);
	assert(input.state.teamId === input.teamId, "a run carries its own team's state");
	return input.state;
}
