import type { RunGovernanceStore } from "#activities/runs/port.ts";
import type { FencedDecision } from "#domain/agents/run-governance-state.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { RoleObserver } from "../shared/role-loop.ts";

/** What a run's workflow asks of PostgreSQL. */
export type RunDecisionStore = Pick<RunGovernanceStore, "decide" | "snapshot"> & {
	/** Tells people once more of a pause that stands; false: it does not, or they were reminded so often already. */
	remind(input: RemindRunInput): Promise<boolean>;
};
export type RemindRunInput = { readonly runId: string; readonly reminder: number };

/** A decision as it travels to the workflow: without bigint, and with the run as it is afterwards. */
export type HeldRunDecision =
	| { readonly kind: "decided"; readonly version: string; readonly snapshot: RunSnapshot | null }
	| { readonly kind: "refused"; readonly code: ErrorCode; readonly problems: readonly FieldProblem[]; readonly snapshot: RunSnapshot | null };
export type DecideRunInput = FencedDecision;

/** A run whose workflow is to be told. */
export type DueRun = {
	readonly number: string;
	readonly version: string;
	/** It has no workflow yet, as far as is known. */
	readonly isNew: boolean;
	/** Events that the workflow was not told of. */
	readonly untoldEvents: readonly string[];
	readonly snapshot: RunSnapshot;
};

/** What is to be told to the workflows of runs. Every promise rejects where PostgreSQL does not answer. */
export type UntoldRuns = {
	/** Whether this process is the one that tells. */
	tryLock(): Promise<boolean>;
	/** Held ones first, then registered, then warned, then those of `moved`; none of `except`; at most `starts` that have no workflow yet, and `limit` that have. */
	due(input: {
		readonly limit: number;
		readonly starts: number;
		readonly except: readonly string[];
		readonly moved: readonly string[];
	}): Promise<readonly DueRun[]>;
	/** Numbers of governed runs that took steps within so many milliseconds. */
	movedWithin(ms: number): Promise<readonly string[]>;
	recordTold(runs: readonly DueRun[]): Promise<void>;
};

/** Where runs are told: their workflows. Rejects within its own deadline when Temporal is away. */
export type RunSink = { report(snapshot: RunSnapshot): Promise<void> };

/** What the starter tells its process. */
export type StarterObserver = RoleObserver & {
	told(run: DueRun): void;
};
