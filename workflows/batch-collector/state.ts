import { assert } from "#domain/assert.ts";
import { type CollectorState, emptyCollector } from "#domain/batching/collector-state.ts";
import type { BatchCollectorInput } from "./messages.ts";

/**
 * The state a run of the workflow begins with. It crosses continue-as-new as plain JSON, so every release must read what an older one
 * wrote: what is absent has its first value; a change of meaning is a new schema version with its upgrade here and a history under
 * test/replay/.
 */
export function initialState({ scope, pacePermille, state }: BatchCollectorInput): CollectorState {
	const fresh = emptyCollector(scope, pacePermille);
	if (state === undefined) return fresh;
	const version: number = state.schemaVersion;
	assert(version === 1, `unknown state version ${String(version)}`);
	assert(state.scope.teamId === scope.teamId && state.scope.deployment === scope.deployment, "a workflow carries its own collector's state");
	return { ...fresh, ...state };
}
