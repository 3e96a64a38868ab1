import { WithStartWorkflowOperation } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes, type UpdateDefinition } from "@temporalio/common";
import type { DecideIncreaseInput, EndIncreaseInput, RequestIncreaseInput, WithdrawIncreaseInput } from "#domain/budget/increase-input.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import {
	type ApplyPolicyInput,
	applyPolicyUpdate,
	BUDGET_TASK_QUEUE,
	decideIncreaseUpdate,
	endIncreaseUpdate,
	type FreezeInput,
	freezeUpdate,
	type IncreaseResult,
	type RevisionResult,
	requestIncreaseUpdate,
	statusQuery,
	TEAM_BUDGET_WORKFLOW,
	type TeamBudgetInput,
	type TeamBudgetStatus,
	teamBudgetWorkflowId,
	teamIdOf,
	totalsReportedSignal,
	type UnfreezeInput,
	UPDATES_IN_FLIGHT_MAX,
	USED_SEARCH_ATTRIBUTE,
	unfreezeUpdate,
	withdrawIncreaseUpdate,
} from "#workflows/team-budget/messages.ts";
import { InFlightLimit } from "./in-flight-limit.ts";
import { teamAndState, WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

/** `updateTimeoutMs`: of the first start of the workflow too; default 10,000 ms. */
export type GovernanceClientOptions = WorkflowMessagesOptions & {
	/** Messages after which a team's workflow begins a new run; default 500, lower only in tests. */
	readonly messagesPerRun?: number;
};

/** Resolves when PostgreSQL holds `revision` of the team, rejects when it does not in time: given by whoever can look. */
export type WaitForRevision = (teamId: string, revision: number) => Promise<void>;

/**
 * Governance straight to the team workflows. Every method has a deadline and raises CostControlError:
 * `governance.unreachable` when Temporal or its worker does not answer (the outcome may be unknown: repeating any
 * method is safe), `admin.invalid` with the fields when the change was refused, `admin.not_found` for a team without workflow.
 */
export class GovernanceClient {
	private readonly options: GovernanceClientOptions;
	private readonly inFlight = new InFlightLimit(UPDATES_IN_FLIGHT_MAX);
	private readonly messages: WorkflowMessages;

	constructor(options: GovernanceClientOptions) {
		this.options = options;
		const { updateTimeoutMs = 10_000 } = options;
		this.messages = new WorkflowMessages(
			{ ...options, updateTimeoutMs },
			{ code: "admin.not_found", message: "this team has no workflow yet: give it a budget first" },
		);
	}

	/** Sets and ends budgets. Resolves with the policy revision, after `waitForRevision` if given. */
	applyPolicy(teamId: string, input: ApplyPolicyInput, waitForRevision?: WaitForRevision): Promise<RevisionResult> {
		return this.update(teamId, applyPolicyUpdate, input, waitForRevision);
	}

	freeze(teamId: string, input: FreezeInput, waitForRevision?: WaitForRevision): Promise<RevisionResult> {
		return this.update(teamId, freezeUpdate, input, waitForRevision);
	}

	unfreeze(teamId: string, input: UnfreezeInput, waitForRevision?: WaitForRevision): Promise<RevisionResult> {
		return this.update(teamId, unfreezeUpdate, input, waitForRevision);
	}

	/** For people and tests; a dashboard reads PostgreSQL (a busy workflow answers one query at a time). */
	status(teamId: string): Promise<TeamBudgetStatus> {
		return this.messages.message(() => this.options.client.workflow.getHandle(teamBudgetWorkflowId(teamId)).query(statusQuery));
	}

	/** Ids of the teams whose workflow runs, as Temporal lists them; at most `teamsMax`. */
	async governedTeams(teamsMax: number): Promise<string[]> {
		const query = `WorkflowType = '${TEAM_BUDGET_WORKFLOW}' AND ExecutionStatus = 'Running'`;
		return this.messages.update(async () => {
			const teamIds: string[] = [];
			for await (const { workflowId } of this.options.client.workflow.list({ query })) {
				teamIds.push(teamIdOf(workflowId));
				if (teamIds.length >= teamsMax) break;
			}
			return teamIds;
		});
	}

	/** Tells a team's workflow its totals, and starts it where it does not run yet. */
	async reportTotals(teamId: string, report: TotalsReport): Promise<void> {
		const start = await this.startOptions(teamId);
		await this.messages.message(() =>
			this.options.client.workflow.signalWithStart(TEAM_BUDGET_WORKFLOW, { ...start, signal: totalsReportedSignal, signalArgs: [report] }),
		);
	}

	/** Asks for a temporarily higher limit; the same request while it is pending is the same one. */
	requestIncrease(teamId: string, input: RequestIncreaseInput, waitForRevision?: WaitForRevision): Promise<IncreaseResult> {
		return this.update(teamId, requestIncreaseUpdate, input, waitForRevision);
	}

	/** Approves or rejects. Also `admin.forbidden` for whoever may not, `admin.conflict` with who decided before. */
	decideIncrease(teamId: string, input: DecideIncreaseInput, waitForRevision?: WaitForRevision): Promise<IncreaseResult> {
		return this.update(teamId, decideIncreaseUpdate, input, waitForRevision);
	}

	withdrawIncrease(teamId: string, input: WithdrawIncreaseInput, waitForRevision?: WaitForRevision): Promise<IncreaseResult> {
		return this.update(teamId, withdrawIncreaseUpdate, input, waitForRevision);
	}

	/** Ends a raise in force before its date. Also `admin.forbidden` for whoever may not decide. */
	endIncrease(teamId: string, input: EndIncreaseInput, waitForRevision?: WaitForRevision): Promise<IncreaseResult> {
		return this.update(teamId, endIncreaseUpdate, input, waitForRevision);
	}

	private async update<Input, Result extends RevisionResult>(
		teamId: string,
		definition: UpdateDefinition<Result, [Input]>,
		input: Input,
		waitForRevision: WaitForRevision | undefined,
	): Promise<Result> {
		const start = await this.startOptions(teamId);
		const result = await this.inFlight.run(start.workflowId, () =>
			this.messages.update(() => {
				const startWorkflowOperation = new WithStartWorkflowOperation(TEAM_BUDGET_WORKFLOW, { ...start, workflowIdConflictPolicy: "USE_EXISTING" });
				return this.options.client.workflow.executeUpdateWithStart(definition, { args: [input], startWorkflowOperation });
			}),
		);
		await waitForRevision?.(teamId, result.revision);
		return result;
	}

	private async startOptions(teamId: string) {
		const workflowId = teamBudgetWorkflowId(teamId);
		const known = await this.findSearchAttributes();
		const { messagesPerRun } = this.options;
		const input: TeamBudgetInput = { teamId, ...known, ...(messagesPerRun === undefined ? {} : { messagesPerRun }) };
		return {
			workflowId,
			taskQueue: BUDGET_TASK_QUEUE,
			args: [input] as [TeamBudgetInput],
			staticSummary: teamId === ORGANIZATION_ID ? "Budgets of the organisation" : `Budgets of team ${teamId}`,
			memo: { team: teamId },
			...(known.hasSearchAttributes ? { typedSearchAttributes: searchAttributesOf(teamId, known) } : {}),
		};
	}

	private async findSearchAttributes(): Promise<KnownAttributes> {
		const names = await this.messages.searchAttributes();
		return { hasSearchAttributes: names.size > 0, hasUsedAttribute: names.has(USED_SEARCH_ATTRIBUTE) };
	}
}

type KnownAttributes = Required<Pick<TeamBudgetInput, "hasSearchAttributes" | "hasUsedAttribute">>;

function searchAttributesOf(teamId: string, { hasUsedAttribute }: KnownAttributes): TypedSearchAttributes {
	return new TypedSearchAttributes([
		...teamAndState(teamId, "ok"),
		...(hasUsedAttribute ? [{ key: defineSearchAttributeKey(USED_SEARCH_ATTRIBUTE, SearchAttributeType.INT), value: 0 }] : []),
	]);
}
