import { assert } from "#domain/assert.ts";
import { emptyJob, type JobState } from "#domain/batching/job-state.ts";
import type { BatchJobInput } from "./messages.ts";

/**
 * The state a run of the workflow begins with. It crosses continue-as-new as plain JSON, so every release must read what an older one
 * wrote: what is absent has its first value; a change of meaning is a new schema version with its upgrade here and a history under
 * test/replay/.
 */
export function initialState({ batchId, teamId, pacePermille, state }: BatchJobInput): JobState {
	const fresh = emptyJob(batchId, teamId, pacePermille);
	if (state === undefined) return fresh;
	const version: number = state.schemaVersion;
	assert(version === 1, `unknown state version ${String(version)}`);
	assert(state.batchId === batchId, "a workflow carries its own batch's state");
	return { ...fresh, ...state };
}
