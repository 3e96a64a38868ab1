import {
	type Client,
	type Connection,
	isGrpcServiceError,
	QueryNotRegisteredError,
	ServiceError,
	WithStartWorkflowOperation,
	WorkflowFailedError,
	WorkflowNotFoundError,
	WorkflowUpdateFailedError,
	WorkflowUpdateRPCTimeoutOrCancelledError,
} from "@temporalio/client";
import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes, type UpdateDefinition } from "@temporalio/common";
import type { DecideIncreaseInput, EndIncreaseInput, RequestIncreaseInput, WithdrawIncreaseInput } from "#domain/budget/increase-input.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
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
	STATE_SEARCH_ATTRIBUTE,
	statusQuery,
	TEAM_BUDGET_WORKFLOW,
	TEAM_SEARCH_ATTRIBUTE,
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

export type GovernanceClientOptions = {
	/** One connection per process; a lazy one lets the process start while Temporal is away. */
	readonly connection: Connection;
	readonly client: Client;
	/** Deadline of one update, first start of the workflow included; default 10,000 ms. */
	readonly updateTimeoutMs?: number;
	/** Deadline of one signal or query; default 3,000 ms. */
	readonly messageTimeoutMs?: number;
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
	private searchAttributes: Promise<KnownAttributes> | undefined;

	constructor(options: GovernanceClientOptions) {
		this.options = options;
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
		return this.within(this.options.messageTimeoutMs ?? 3_000, () => this.options.client.workflow.getHandle(teamBudgetWorkflowId(teamId)).query(statusQuery));
	}

	/** Ids of the teams whose workflow runs, as Temporal lists them; at most `teamsMax`. */
	async governedTeams(teamsMax: number): Promise<string[]> {
		const query = `WorkflowType = '${TEAM_BUDGET_WORKFLOW}' AND ExecutionStatus = 'Running'`;
		return this.within(this.options.updateTimeoutMs ?? 10_000, async () => {
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
		const timeoutMs = this.options.messageTimeoutMs ?? 3_000;
		const start = await this.startOptions(teamId);
		await this.within(timeoutMs, () =>
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
			this.within(this.options.updateTimeoutMs ?? 10_000, () => {
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

	/** Asked once per process: registering them is the server's business, living without them is ours. */
	private findSearchAttributes(): Promise<KnownAttributes> {
		this.searchAttributes ??= this.within(this.options.messageTimeoutMs ?? 3_000, async () => {
			const { customAttributes } = await this.options.connection.operatorService.listSearchAttributes({ namespace: this.options.client.options.namespace });
			const hasSearchAttributes = TEAM_SEARCH_ATTRIBUTE in customAttributes && STATE_SEARCH_ATTRIBUTE in customAttributes;
			return { hasSearchAttributes, hasUsedAttribute: hasSearchAttributes && USED_SEARCH_ATTRIBUTE in customAttributes };
		}).catch((error: unknown) => {
			this.searchAttributes = undefined;
			throw error;
		});
		return this.searchAttributes;
	}

	private async within<Result>(timeoutMs: number, call: () => Promise<Result>): Promise<Result> {
		try {
			return await this.options.connection.withDeadline(Date.now() + timeoutMs, call);
		} catch (error) {
			throw toCostControlError(error);
		}
	}
}

type KnownAttributes = Required<Pick<TeamBudgetInput, "hasSearchAttributes" | "hasUsedAttribute">>;

function searchAttributesOf(teamId: string, { hasUsedAttribute }: KnownAttributes): TypedSearchAttributes {
	return new TypedSearchAttributes([
		{ key: defineSearchAttributeKey(TEAM_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: teamId },
		{ key: defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: "ok" },
		...(hasUsedAttribute ? [{ key: defineSearchAttributeKey(USED_SEARCH_ATTRIBUTE, SearchAttributeType.INT), value: 0 }] : []),
	]);
}

/** What a workflow refuses carries its problems as the failure's first detail. */
function fieldOf({ details }: ApplicationFailure): string | null {
	const [problems] = details ?? [];
	const field: unknown = Array.isArray(problems) ? (problems[0] as { field?: unknown } | undefined)?.field : undefined;
	return typeof field === "string" ? field : null;
}

/** What Temporal says, in the words of this library. */
export function toCostControlError(error: unknown): unknown {
	if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError) {
		const { cause } = error;
		if (cause instanceof ApplicationFailure && cause.type && cause.type in ERROR_CODES) {
			return new CostControlError(cause.type as ErrorCode, cause.message, { cause: error, details: { field: fieldOf(cause) } });
		}
		return error;
	}
	if (error instanceof WorkflowNotFoundError)
		return new CostControlError("admin.not_found", "this team has no workflow yet: give it a budget first", { cause: error });
	const isAway =
		error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
		error instanceof QueryNotRegisteredError || // also of a workflow that no worker of this release can replay
		error instanceof ServiceError ||
		isGrpcServiceError(error);
	return isAway
		? new CostControlError("governance.unreachable", "Temporal or its worker does not answer; limits in force stay in force, try again", { cause: error })
		: error;
}
