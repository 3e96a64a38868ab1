import { emptyRunGovernance, type RunGovernanceState } from "#domain/agents/run-governance-state.ts";
import { assert } from "#domain/assert.ts";
import type { AgentRunInput } from "./messages.ts";

/**
 * The state a run of the workflow begins with. It crosses continue-as-new as plain JSON, so every release must read what an older one
 * wrote: what is absent has its first value; a change of meaning is a new schema version with its upgrade here and a history under
 * test/replay/.
 */
export function initialState({ runId, teamId, state }: AgentRunInput): RunGovernanceState {
	const fresh = emptyRunGovernance(runId, teamId);
	if (state === undefined) return fresh;
	const version: number = state.schemaVersion;
	assert(version === 1, `unknown state version ${String(version)}`);
	assert(state.runId === runId, "a workflow carries its own run's state");
	return { ...fresh, ...state };
}
