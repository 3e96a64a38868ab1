import { defineQuery, defineSignal, defineUpdate } from "@temporalio/workflow";
import type { RunGovernanceState } from "#domain/agents/run-governance-state.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";

/** The wire contract of a run's workflow. Names here are persisted by Temporal: never renamed, never reused. */
export const AGENT_RUN_WORKFLOW = "agentRunWorkflow";
export const AGENT_RUN_TASK_QUEUE = "agent-runs";

/** Keyword: the guard that holds the run, "" while it runs. */
export const GUARD_SEARCH_ATTRIBUTE = "TollgateGuard";

const WORKFLOW_ID_PREFIX = "agent-run/";

export function agentRunWorkflowId(runId: string): string {
	return WORKFLOW_ID_PREFIX + runId;
}

export type AgentRunInput = {
	readonly runId: string;
	readonly teamId: string;
	/** Whether TollgateTeam and TollgateState are registered: upserting an unknown attribute would wedge the workflow. */
	readonly hasSearchAttributes: boolean;
	/** Whether TollgateUsedPercent is registered as well; absent = no. */
	readonly hasUsedAttribute?: boolean;
	/** Whether TollgateGuard is registered as well; absent = no. */
	readonly hasGuardAttribute?: boolean;
	/** Messages after which a new run of the workflow begins; default 500, low in tests. */
	readonly messagesPerRun?: number;
	/** Carried over by continue-as-new; absent at the first start. */
	readonly state?: RunGovernanceState;
};

/** What `runStatus` answers. */
export type AgentRunStatus = {
	/** null before the first report. */
	readonly snapshot: RunSnapshot | null;
	/** Decisions and reminders that PostgreSQL does not hold yet. */
	readonly waitingEffects: number;
	/** Workflow runs are chained by continue-as-new; this one's messages. */
	readonly messagesHandled: number;
};

/** Limits are those of `checkRunLimits`; `by` is typed by a person and not proven where it comes through the Temporal UI. */
export type RunLimitsInput = { readonly limits: Readonly<Record<string, unknown>>; readonly by: string; readonly reason: string };
export type RunReasonInput = { readonly by: string; readonly reason: string };
/** The run's version that holds the decision. */
export type RunVersionResult = { readonly version: string };

/** Raises what holds the run and lets it go on. */
export const approveMoreUpdate = defineUpdate<RunVersionResult, [RunLimitsInput]>("approveMore");
/** Forgives what repeated so far. Refused with "admin.conflict" where a ceiling holds, naming the amount. */
export const resumeRunUpdate = defineUpdate<RunVersionResult, [RunReasonInput]>("resumeRun");
export const stopRunUpdate = defineUpdate<RunVersionResult, [RunReasonInput]>("stopRun");
export const raiseRunUpdate = defineUpdate<RunVersionResult, [RunLimitsInput]>("raiseRun");
/** Absolute, by version: lost, doubled or reordered reports do no harm. */
export const runReportedSignal = defineSignal<[RunSnapshot]>("runReported");
export const runStatusQuery = defineQuery<AgentRunStatus>("runStatus");
