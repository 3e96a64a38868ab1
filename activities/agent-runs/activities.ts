import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { asActivity } from "../shared/activity-errors.ts";
import type { DecideRunInput, HeldRunDecision, RemindRunInput, RunDecisionStore } from "./port.ts";

export type AgentRunActivities = ReturnType<typeof createAgentRunActivities>;

/** Every activity is idempotent: a decision by the version it was made on, a reminder by its number. */
export function createAgentRunActivities(store: RunDecisionStore) {
	return {
		decideRun: (input: DecideRunInput): Promise<HeldRunDecision> => asActivity(() => decide(store, input)),
		remindRun: (input: RemindRunInput): Promise<boolean> => asActivity(() => store.remind(input)),
	};
}

async function decide(store: RunDecisionStore, input: DecideRunInput): Promise<HeldRunDecision> {
	const result = await store.decide(input);
	const snapshot = (await store.snapshot(input.runId)) ?? null;
	if (result.kind === "decided") return { kind: "decided", version: result.run.version, snapshot };
	// An answer that was lost: the try before did it, and nobody did anything since.
	if (result.code === "admin.conflict" && snapshot !== null && isHeldAlready(input, snapshot))
		return { kind: "decided", version: snapshot.run.version, snapshot };
	return { ...result, snapshot };
}

/** An approval is two changes: it raises, and lets go. */
function isHeldAlready({ by, reason, knownVersion, decision }: DecideRunInput, { run, events }: RunSnapshot): boolean {
	const changes = BigInt(run.version) - BigInt(knownVersion);
	if (changes !== 1n && !(decision.kind === "approve" && changes === 2n)) return false;
	const detail = events.findLast(({ kind }) => kind !== "warned")?.detail;
	return detail?.["by"] === by && detail["reason"] === reason;
}
