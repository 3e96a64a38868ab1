import type { BatchRecord } from "#activities/batches/port.ts";
import { expiresAtMs } from "./render-openai.ts";

/** Our records as `@anthropic-ai/sdk` 1.12.0 has them (resources/messages/batches.d.ts). */

export type MessageBatchStatus = "in_progress" | "canceling" | "ended";

export type MessageBatch = {
	readonly id: string;
	readonly type: "message_batch";
	readonly processing_status: MessageBatchStatus;
	readonly request_counts: MessageBatchCounts;
	readonly created_at: string;
	readonly expires_at: string;
	readonly ended_at: string | null;
	readonly cancel_initiated_at: string | null;
	readonly archived_at: null;
	readonly results_url: string | null;
};

export type MessageBatchCounts = {
	readonly processing: number;
	readonly succeeded: number;
	readonly errored: number;
	readonly canceled: number;
	readonly expired: number;
};

const FINAL = ["completed", "expired", "cancelled", "failed"] as const;

export function hasEnded({ state }: Pick<BatchRecord, "state">): boolean {
	return (FINAL as readonly string[]).includes(state);
}

export function messageBatchStatus(batch: Pick<BatchRecord, "state" | "cancelAskedAtMs">): MessageBatchStatus {
	if (hasEnded(batch)) return "ended";
	return batch.state === "cancelling" || batch.cancelAskedAtMs !== null ? "canceling" : "in_progress";
}

/** `origin`: where the caller reached this gateway, for the address of the results. */
export function renderMessageBatch(batch: BatchRecord, origin: string): MessageBatch {
	const isEnded = hasEnded(batch);
	const hasResults = isEnded && (batch.outputFileId !== null || batch.errorFileId !== null);
	return {
		id: batch.batchId,
		type: "message_batch",
		processing_status: messageBatchStatus(batch),
		request_counts: countsOf(batch, isEnded),
		created_at: timestamp(batch.createdAtMs),
		expires_at: timestamp(expiresAtMs(batch)),
		ended_at: isEnded && batch.endedAtMs !== null ? timestamp(batch.endedAtMs) : null,
		cancel_initiated_at: batch.cancelAskedAtMs === null ? null : timestamp(batch.cancelAskedAtMs),
		archived_at: null,
		results_url: hasResults ? `${origin}/v1/messages/batches/${batch.batchId}/results` : null,
	};
}

/** All are in process until the whole batch has ended; always as many as there are requests. */
function countsOf({ counts, items }: BatchRecord, isEnded: boolean): MessageBatchCounts {
	if (!isEnded) return { processing: items, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
	const { succeeded, errored, expired, cancelled, open } = counts;
	return { processing: 0, succeeded, errored: errored + open, canceled: cancelled, expired };
}

function timestamp(atMs: number): string {
	return new Date(atMs).toISOString();
}
