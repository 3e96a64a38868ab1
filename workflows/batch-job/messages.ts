import { defineQuery, defineSignal, defineUpdate } from "@temporalio/workflow";
import type { BatchState } from "#domain/batching/batch.ts";
import type { JobState } from "#domain/batching/job-state.ts";

/** The wire contract of a batch's workflow. Names here are persisted by Temporal: never renamed, never reused. */
export const BATCH_JOB_WORKFLOW = "batchJobWorkflow";
export const BATCH_TASK_QUEUE = "batches";

const WORKFLOW_ID_PREFIX = "batch-job/";

export function batchJobWorkflowId(batchId: string): string {
	return WORKFLOW_ID_PREFIX + batchId;
}

export type BatchJobInput = {
	readonly batchId: string;
	readonly teamId: string;
	/** Whether TollgateTeam and TollgateState are registered: upserting an unknown attribute would wedge the workflow. */
	readonly hasSearchAttributes: boolean;
	/** Events after which a new run of the workflow begins; default 2,000, low in tests. */
	readonly eventsPerRun?: number;
	/** Delays in thousandths of the ordinary ones; default 1,000, low in tests. */
	readonly pacePermille?: number;
	/** Carried over by continue-as-new; absent at the first start. */
	readonly state?: JobState;
};

/** What `batchJobStatus` answers. */
export type BatchJobStatus = {
	readonly state: JobState;
	/** What is done now, or next. */
	readonly next: string;
	/** When, in milliseconds since 1970; null = now. */
	readonly nextAtMs: number | null;
	readonly historyEvents: number;
};

/** `by` is typed by a person and not proven where it comes through the Temporal UI. */
export type CancelBatchInput = { readonly by: string };
export type CancelBatchResult = { readonly state: BatchState };
/** `retriesNow`: what waits for its time is done at once. */
export type BatchChange = { readonly retriesNow: boolean };

/** Ends the batch: what runs at the provider is cancelled, what it finished is paid. */
export const cancelBatchUpdate = defineUpdate<CancelBatchResult, [CancelBatchInput]>("cancelBatch");
/** The rows of the batch changed. Lost, doubled or reordered signals do no harm. */
export const batchChangedSignal = defineSignal<[BatchChange]>("batchChanged");
export const batchJobStatusQuery = defineQuery<BatchJobStatus>("batchJobStatus");
