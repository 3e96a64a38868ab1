import { TypedSearchAttributes } from "@temporalio/common";
import type { BatchState } from "#domain/batching/batch.ts";
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
import { teamAndState, WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

export type BatchJobClientOptions = WorkflowMessagesOptions & {
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
	private readonly messages: WorkflowMessages;

	constructor(options: BatchJobClientOptions) {
		this.options = options;
		this.messages = new WorkflowMessages(options, {
			code: "batch.missing",
			message: "this batch has no workflow: npx tollgate batch retry BATCH begins it",
		});
	}

	/** Tells the workflow that the batch changed, and starts it where it does not run. */
	async tell(batch: { readonly batchId: string; readonly teamId: string; readonly state: BatchState }, change: BatchChange): Promise<void> {
		const { batchId, teamId, state } = batch;
		const { eventsPerRun, pacePermille, client } = this.options;
		const hasSearchAttributes = (await this.messages.searchAttributes()).size > 0;
		const input: BatchJobInput = {
			...{ batchId, teamId, hasSearchAttributes },
			...(eventsPerRun !== undefined && { eventsPerRun }),
			...(pacePermille !== undefined && { pacePermille }),
		};
		await this.messages.message(() =>
			client.workflow.signalWithStart(BATCH_JOB_WORKFLOW, {
				workflowId: batchJobWorkflowId(batchId),
				taskQueue: BATCH_TASK_QUEUE,
				args: [input],
				signal: batchChangedSignal,
				signalArgs: [change],
				staticSummary: `Batch ${batchId} of team ${teamId}`,
				memo: { team: teamId, batch: batchId, state },
				...(hasSearchAttributes ? { typedSearchAttributes: new TypedSearchAttributes(teamAndState(teamId, state)) } : {}),
			}),
		);
	}

	/** For people and tests; what PostgreSQL holds is read there. */
	status(batchId: string): Promise<BatchJobStatus> {
		return this.messages.message(() => this.handle(batchId).query(batchJobStatusQuery));
	}

	/** As a person cancels it in the Temporal UI. */
	cancel(batchId: string, by: string): Promise<CancelBatchResult> {
		return this.messages.update(() => this.handle(batchId).executeUpdate(cancelBatchUpdate, { args: [{ by }] }));
	}

	private handle(batchId: string) {
		return this.options.client.workflow.getHandle(batchJobWorkflowId(batchId));
	}
}
