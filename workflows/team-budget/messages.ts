import { defineQuery, defineSignal, defineUpdate } from "@temporalio/workflow";
import type { DecideIncreaseInput, EndIncreaseInput, RequestIncreaseInput, WithdrawIncreaseInput } from "#domain/budget/increase-input.ts";
import type { Increase } from "#domain/budget/increases.ts";
import type { BudgetDefinition, BudgetSelector } from "#domain/budget/scope.ts";
import { ORGANIZATION_ID, TEAM_ID_PATTERN } from "#domain/budget/scope.ts";
import type { CarriedState, TeamBudgetState, TotalsReport } from "#domain/budget/team-budget-state.ts";

/**
 * The wire contract of a team's workflow. Names here are persisted by Temporal: never renamed, never reused.
 * At most 4 updates in flight per workflow (the server takes 10 and collapses well above that); what a fleet
 * asks for at every request has no place here, it is PostgreSQL's.
 */
export const TEAM_BUDGET_WORKFLOW = "teamBudgetWorkflow";
export const BUDGET_TASK_QUEUE = "budget";
export const UPDATES_IN_FLIGHT_MAX = 4;

/** Search attributes, used only where the server has them registered (these two are Keywords). */
export const TEAM_SEARCH_ATTRIBUTE = "TollgateTeam";
export const STATE_SEARCH_ATTRIBUTE = "TollgateState";
/** Int: how much of its fullest enforced budget a team has used, in whole tens of a percent. "Teams above 80 %": TollgateUsedPercent >= 80. */
export const USED_SEARCH_ATTRIBUTE = "TollgateUsedPercent";

export type TeamBudgetInput = {
	readonly teamId: string;
	/** Whether TollgateTeam and TollgateState are registered: upserting an unknown attribute would wedge the workflow. */
	readonly hasSearchAttributes: boolean;
	/** Whether TollgateUsedPercent is registered as well; absent = no. */
	readonly hasUsedAttribute?: boolean;
	/** Messages after which a new run begins; default 500, low in tests. */
	readonly messagesPerRun?: number;
	/** Carried over by continue-as-new; absent at the first start. */
	readonly state?: CarriedState;
};

export type ApplyPolicyInput = {
	/** "replace" ends every budget of the team that is not in `set`; "patch" touches only what is named. */
	readonly mode: "replace" | "patch";
	readonly set: readonly BudgetDefinition[];
	readonly remove: readonly BudgetSelector[];
	/** Name of the person, for the audit log. */
	readonly requestedBy: string;
	/** True = write every budget in `set` although nothing differs, which clears its overrun; default false: only where totals told of one. */
	readonly clearsOverruns?: boolean;
};

/** `heldSeq`: number of the decision where PostgreSQL holds it already, and the workflow only takes it up; absent = it is to write it. */
export type FreezeInput = { readonly reason: string; readonly requestedBy: string; readonly heldSeq?: number };
export type UnfreezeInput = { readonly requestedBy: string; readonly heldSeq?: number };

/** The policy revision that holds the change. It is in force once PostgreSQL holds this revision or a later one. */
export type RevisionResult = { readonly revision: number };
export type IncreaseResult = RevisionResult & { readonly increase: Increase };

export type TeamBudgetStatus = Omit<TeamBudgetState, "outbox" | "nextEffectId"> & {
	/** Effects that wait to be carried out (PostgreSQL or the worker away). */
	readonly waitingEffects: number;
	/** Runs are chained by continue-as-new; this one's messages. */
	readonly messagesHandled: number;
};

/**
 * Same content as already in force: the same revision is returned, nothing changes. A person's change is refused with
 * "governance.unreachable" while too many wait for PostgreSQL.
 */
export const applyPolicyUpdate = defineUpdate<RevisionResult, [ApplyPolicyInput]>("applyPolicy");
export const freezeUpdate = defineUpdate<RevisionResult, [FreezeInput]>("freeze");
export const unfreezeUpdate = defineUpdate<RevisionResult, [UnfreezeInput]>("unfreeze");
/** The same request while it is pending returns the same one. Refused with "admin.invalid", "admin.not_found", "admin.conflict". */
export const requestIncreaseUpdate = defineUpdate<IncreaseResult, [RequestIncreaseInput]>("requestIncrease");
/** Of two decisions the first holds; the other is refused with "admin.conflict", who has no right with "admin.forbidden". */
export const decideIncreaseUpdate = defineUpdate<IncreaseResult, [DecideIncreaseInput]>("decideIncrease");
export const withdrawIncreaseUpdate = defineUpdate<IncreaseResult, [WithdrawIncreaseInput]>("withdrawIncrease");
/** Ends a raise before its date. Refused with "admin.forbidden" for whoever may not decide, "admin.conflict" for one that is not in force. */
export const endIncreaseUpdate = defineUpdate<IncreaseResult, [EndIncreaseInput]>("endIncrease");
/** Absolute totals with a version per window: lost, doubled or reordered reports do no harm. */
export const totalsReportedSignal = defineSignal<[TotalsReport]>("totalsReported");
export const statusQuery = defineQuery<TeamBudgetStatus>("status");

const WORKFLOW_ID_PREFIX = "team-budget/";

/** `team-budget/<teamId>`; the organisation is `team-budget/@organization`. */
export function teamBudgetWorkflowId(teamId: string): string {
	if (teamId !== ORGANIZATION_ID && !TEAM_ID_PATTERN.test(teamId)) throw new RangeError(`not a team id: ${JSON.stringify(teamId)}`);
	return `${WORKFLOW_ID_PREFIX}${teamId}`;
}

/** The team of a workflow id that teamBudgetWorkflowId made. */
export function teamIdOf(workflowId: string): string {
	return workflowId.slice(WORKFLOW_ID_PREFIX.length);
}
