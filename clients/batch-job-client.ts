import { type Client, type Connection, WorkflowNotFoundError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import type { BatchState } from "#domain/batching/batch.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import {
	BATCH_JOB_WORKFLOW,
	BATCH_TASK_QUEUE,
	type BatchChange,
	type BatchJobInput,
	type BatchJobStatus,
	batchChangedSignal,
	batchJobStatusQuery,
	batchJobWorkflowId,
	type CancelBatchResult,
	cancelBatchUpdate,
} from "#workflows/batch-job/messages.ts";
import { STATE_SEARCH_ATTRIBUTE, TEAM_SEARCH_ATTRIBUTE } from "#workflows/team-budget/messages.ts";
import { toCostControlError } from "./governance-client.ts";

export type BatchJobClientOptions = {
	/** One connection per process; a lazy one lets the process start while Temporal is away. */
	readonly connection: Connection;
	readonly client: Client;
	/** Deadline of one signal or query; default 3,000 ms. */
	readonly messageTimeoutMs?: number;
	/** Deadline of one update; default 12,000 ms. */
	readonly updateTimeoutMs?: number;
	/** Events after which a batch's workflow begins a new run of itself, and delays in thousandths of the ordinary ones; lower only in tests. */
	readonly eventsPerRun?: number;
	readonly pacePermille?: number;
};

/**
 * The workflows of batches. Every method has a deadline and raises CostControlError: `governance.unreachable` when Temporal or its worker
 * does not answer (the outcome may be unknown: repeating any method is safe), `batch.missing` for a batch without a workflow.
 */
export class BatchJobClient {
	private readonly options: BatchJobClientOptions;
	private hasSearchAttributes: Promise<boolean> | undefined;

	constructor(options: BatchJobClientOptions) {
		this.options = options;
	}

	/** Tells the workflow that the batch changed, and starts it where it does not run. */
	async tell(batch: { readonly batchId: string; readonly teamId: string; readonly state: BatchState }, change: BatchChange): Promise<void> {
		const { batchId, teamId, state } = batch;
		const { eventsPerRun, pacePermille, client } = this.options;
		const hasSearchAttributes = await this.findSearchAttributes();
		const input: BatchJobInput = {
			...{ batchId, teamId, hasSearchAttributes },
			...(eventsPerRun !== undefined && { eventsPerRun }),
			...(pacePermille !== undefined && { pacePermille }),
		};
		const attributes = new TypedSearchAttributes([
			{ key: defineSearchAttributeKey(TEAM_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: teamId },
			{ key: defineSearchAttributeKey(STATE_SEARCH_ATTRIBUTE, SearchAttributeType.KEYWORD), value: state },
		]);
		await this.within(this.options.messageTimeoutMs ?? 3_000, () =>
			client.workflow.signalWithStart(BATCH_JOB_WORKFLOW, {
				workflowId: batchJobWorkflowId(batchId),
				taskQueue: BATCH_TASK_QUEUE,
				args: [input],
				signal: batchChangedSignal,
				signalArgs: [change],
				staticSummary: `Batch ${batchId} of team ${teamId}`,
				memo: { team: teamId, batch: batchId, state },
				...(hasSearchAttributes ? { typedSearchAttributes: attributes } : {}),
			}),
		);
	}

	/** For people and tests; what PostgreSQL holds is read there. */
	status(batchId: string): Promise<BatchJobStatus> {
		return this.within(this.options.messageTimeoutMs ?? 3_000, () => this.handle(batchId).query(batchJobStatusQuery));
	}

	/** As a person cancels it in the Temporal UI. */
	cancel(batchId: string, by: string): Promise<CancelBatchResult> {
		return this.within(this.options.updateTimeoutMs ?? 12_000, () => this.handle(batchId).executeUpdate(cancelBatchUpdate, { args: [{ by }] }));
	}

	private handle(batchId: string) {
		return this.options.client.workflow.getHandle(batchJobWorkflowId(batchId));
	}

	/** Asked once per process: registering them is the server's business, living without them is ours. */
	private findSearchAttributes(): Promise<boolean> {
		this.hasSearchAttributes ??= this.within(this.options.messageTimeoutMs ?? 3_000, async () => {
			const { customAttributes } = await this.options.connection.operatorService.listSearchAttributes({ namespace: this.options.client.options.namespace });
			return TEAM_SEARCH_ATTRIBUTE in customAttributes && STATE_SEARCH_ATTRIBUTE in customAttributes;
		}).catch((error: unknown) => {
			this.hasSearchAttributes = undefined;
			throw error;
		});
		return this.hasSearchAttributes;
	}

	private async within<Result>(timeoutMs: number, call: () => Promise<Result>): Promise<Result> {
		try {
			return await this.options.connection.withDeadline(Date.now() + timeoutMs, call);
		} catch (error) {
			if (error instanceof WorkflowNotFoundError)
				throw new CostControlError("batch.missing", "this batch has no workflow: npx tollgate batch retry BATCH begins it", { cause: error });
			throw toCostControlError(error);
		}
	}
}
