import { defineQuery, defineSignal, defineUpdate } from "@temporalio/workflow";
import type { CollectorScope, CollectorState } from "#domain/batching/collector-state.ts";
import type { TellReason } from "#domain/batching/collector-tell.ts";

/** The wire contract of a collector's workflow, on the task queue of batches. Names here are persisted by Temporal: never renamed, never reused. */
export const BATCH_COLLECTOR_WORKFLOW = "batchCollectorWorkflow";
/** Before the rest of its id, which clients/batch-collector-client.ts makes of the scope. */
export const BATCH_COLLECTOR_ID_PREFIX = "batch-collector/";

export type BatchCollectorInput = {
	readonly scope: CollectorScope;
	/** Whether TollgateTeam and TollgateState are registered: upserting an unknown attribute would wedge the workflow. */
	readonly hasSearchAttributes: boolean;
	/** Events after which a new run of the workflow begins; default 2,000, low in tests. */
	readonly eventsPerRun?: number;
	/** Delays in thousandths of the ordinary ones; default 1,000, low in tests. */
	readonly pacePermille?: number;
	/** Carried over by continue-as-new; absent at the first start. */
	readonly state?: CollectorState;
};

/** What `batchCollectorStatus` answers. */
export type BatchCollectorStatus = {
	readonly state: CollectorState;
	/** What is done now, or next. */
	readonly next: string;
	/** When, in milliseconds since 1970; null = now. */
	readonly nextAtMs: number | null;
	readonly historyEvents: number;
};

/** Sums alone: the items are rows. Told for people who read the history; the workflow looks for itself. */
export type ItemsCollected = { readonly batchId: string; readonly items: number; readonly reason: TellReason };
/** `by` is typed by a person and not proven where it comes through the Temporal UI. */
export type FlushNowInput = { readonly by: string };
/** `isDone` false: PostgreSQL does not answer; it is done when it does. */
export type FlushNowResult = { readonly isDone: boolean; readonly batches: number; readonly items: number };

/** Sends what waits now. */
export const flushNowUpdate = defineUpdate<FlushNowResult, [FlushNowInput]>("flushNow");
/** Items wait. Lost, doubled or reordered signals do no harm. */
export const itemsCollectedSignal = defineSignal<[ItemsCollected]>("itemsCollected");
export const batchCollectorStatusQuery = defineQuery<BatchCollectorStatus>("batchCollectorStatus");
