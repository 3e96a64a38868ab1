import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes, type UpdateDefinition } from "@temporalio/common";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
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
import { USED_SEARCH_ATTRIBUTE } from "#workflows/team-budget/messages.ts";
import { teamAndState, WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

export type RunGovernanceClientOptions = WorkflowMessagesOptions & {
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
	private readonly messages: WorkflowMessages;

	constructor(options: RunGovernanceClientOptions) {
		this.options = options;
		this.messages = new WorkflowMessages(options, { code: "run.unknown", message: "this run has no workflow: npx tollgate run show RUN" });
	}

	/** Tells the workflow of a run what PostgreSQL holds, and starts it where it does not run. */
	async report(snapshot: RunSnapshot): Promise<void> {
		const known = await this.findSearchAttributes();
		const { runId, teamId } = snapshot.run;
		const { messagesPerRun } = this.options;
		const input: AgentRunInput = { runId, teamId, ...known, ...(messagesPerRun === undefined ? {} : { messagesPerRun }) };
		await this.messages.message(() =>
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
		return this.messages.message(() => this.handle(runId).query(runStatusQuery));
	}

	/** One of the updates of workflows/agent-run/messages.ts, as a person sends it in the Temporal UI. */
	decide<Input>(runId: string, update: UpdateDefinition<RunVersionResult, [Input]>, input: Input): Promise<RunVersionResult> {
		return this.messages.update(() => this.handle(runId).executeUpdate(update, { args: [input] }));
	}

	private handle(runId: string) {
		return this.options.client.workflow.getHandle(agentRunWorkflowId(runId));
	}

	private async findSearchAttributes(): Promise<KnownAttributes> {
		const names = await this.messages.searchAttributes();
		return {
			hasSearchAttributes: names.size > 0,
			hasUsedAttribute: names.has(USED_SEARCH_ATTRIBUTE),
			hasGuardAttribute: names.has(GUARD_SEARCH_ATTRIBUTE),
		};
	}
}

/** What it starts with; the workflow sets the rest. */
function searchAttributesOf({ run }: RunSnapshot, { hasUsedAttribute, hasGuardAttribute }: KnownAttributes): TypedSearchAttributes {
	return new TypedSearchAttributes([
		...teamAndState(run.teamId, run.state),
		...(hasUsedAttribute ? [{ key: defineSearchAttributeKey(USED_SEARCH_ATTRIBUTE, SearchAttributeType.INT), value: 0 }] : []),
		...(hasGuardAttribute ? [{ key: defineSearchAttributeKey(GUARD_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: run.hold?.guard ?? "" }] : []),
	]);
}
