import { type Client, type Connection, WorkflowNotFoundError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes, type UpdateDefinition } from "@temporalio/common";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import {
	AGENT_RUN_TASK_QUEUE,
	AGENT_RUN_WORKFLOW,
	type AgentRunInput,
	type AgentRunStatus,
	agentRunWorkflowId,
	GUARD_SEARCH_ATTRIBUTE,
	type RunVersionResult,
	runReportedSignal,
	runStatusQuery,
} from "#workflows/agent-run/messages.ts";
import { STATE_SEARCH_ATTRIBUTE, TEAM_SEARCH_ATTRIBUTE, USED_SEARCH_ATTRIBUTE } from "#workflows/team-budget/messages.ts";
import { toCostControlError } from "./governance-client.ts";

export type RunGovernanceClientOptions = {
	/** One connection per process; a lazy one lets the process start while Temporal is away. */
	readonly connection: Connection;
	readonly client: Client;
	/** Deadline of one signal or query; default 3,000 ms. */
	readonly messageTimeoutMs?: number;
	/** Deadline of one update; default 12,000 ms: the workflow answers within 8,000 ms, whether or not PostgreSQL does. */
	readonly updateTimeoutMs?: number;
	/** Messages after which a run's workflow begins a new one; default 500, lower only in tests. */
	readonly messagesPerRun?: number;
};

type KnownAttributes = Required<Pick<AgentRunInput, "hasSearchAttributes" | "hasUsedAttribute" | "hasGuardAttribute">>;

/**
 * The workflows of agent runs. Every method has a deadline and raises CostControlError: `governance.unreachable` when Temporal or its worker
 * does not answer (the outcome may be unknown: repeating any method is safe), `run.unknown` for a run without a workflow, and whatever
 * PostgreSQL says against a decision.
 */
export class RunGovernanceClient {
	private readonly options: RunGovernanceClientOptions;
	private attributes: Promise<KnownAttributes> | undefined;

	constructor(options: RunGovernanceClientOptions) {
		this.options = options;
	}

	/** Tells the workflow of a run what PostgreSQL holds, and starts it where it does not run. */
	async report(snapshot: RunSnapshot): Promise<void> {
		const known = await this.findSearchAttributes();
		const { runId, teamId } = snapshot.run;
		const { messagesPerRun } = this.options;
		const input: AgentRunInput = { runId, teamId, ...known, ...(messagesPerRun === undefined ? {} : { messagesPerRun }) };
		await this.within(this.options.messageTimeoutMs ?? 3_000, () =>
			this.options.client.workflow.signalWithStart(AGENT_RUN_WORKFLOW, {
				workflowId: agentRunWorkflowId(runId),
				taskQueue: AGENT_RUN_TASK_QUEUE,
				args: [input],
				signal: runReportedSignal,
				signalArgs: [snapshot],
				staticSummary: `Agent run ${runId} of team ${teamId}`,
				memo: { team: teamId, run: runId },
				...(known.hasSearchAttributes ? { typedSearchAttributes: searchAttributesOf(snapshot, known) } : {}),
			}),
		);
	}

	/** For people and tests; a dashboard reads PostgreSQL. */
	status(runId: string): Promise<AgentRunStatus> {
		return this.within(this.options.messageTimeoutMs ?? 3_000, () => this.handle(runId).query(runStatusQuery));
	}

	/** One of the updates of workflows/agent-run/messages.ts, as a person sends it in the Temporal UI. */
	decide<Input>(runId: string, update: UpdateDefinition<RunVersionResult, [Input]>, input: Input): Promise<RunVersionResult> {
		return this.within(this.options.updateTimeoutMs ?? 12_000, () => this.handle(runId).executeUpdate(update, { args: [input] }));
	}

	private handle(runId: string) {
		return this.options.client.workflow.getHandle(agentRunWorkflowId(runId));
	}

	/** Asked once per process: registering them is the server's business, living without them is ours. */
	private findSearchAttributes(): Promise<KnownAttributes> {
		this.attributes ??= this.within(this.options.messageTimeoutMs ?? 3_000, async () => {
			const { customAttributes } = await this.options.connection.operatorService.listSearchAttributes({ namespace: this.options.client.options.namespace });
			const hasSearchAttributes = TEAM_SEARCH_ATTRIBUTE in customAttributes && STATE_SEARCH_ATTRIBUTE in customAttributes;
			return {
				hasSearchAttributes,
				hasUsedAttribute: hasSearchAttributes && USED_SEARCH_ATTRIBUTE in customAttributes,
				hasGuardAttribute: hasSearchAttributes && GUARD_SEARCH_ATTRIBUTE in customAttributes,
			};
		}).catch((error: unknown) => {
			this.attributes = undefined;
			throw error;
		});
		return this.attributes;
	}

	private async within<Result>(timeoutMs: number, call: () => Promise<Result>): Promise<Result> {
		try {
			return await this.options.connection.withDeadline(Date.now() + timeoutMs, call);
		} catch (error) {
			if (error instanceof WorkflowNotFoundError)
				throw new CostControlError("run.unknown", "this run has no workflow: npx tollgate run show RUN", { cause: error });
			throw toCostControlError(error);
		}
	}
}

/** What it starts with; the workflow sets the rest. */
function searchAttributesOf({ run }: RunSnapshot, { hasUsedAttribute, hasGuardAttribute }: KnownAttributes): TypedSearchAttributes {
	return new TypedSearchAttributes([
		{ key: defineSearchAttributeKey(TEAM_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: run.teamId },
		{ key: defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: run.state },
		...(hasUsedAttribute ? [{ key: defineSearchAttributeKey(USED_SEARCH_ATTRIBUTE, SearchAttributeType.INT), value: 0 }] : []),
		...(hasGuardAttribute ? [{ key: defineSearchAttributeKey(GUARD_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: run.hold?.guard ?? "" }] : []),
	]);
}
