import type { BatchRecord, FileRecord } from "#activities/batches/port.ts";
import type { BatchState } from "#domain/batching/batch.ts";
import { ENDPOINT_URLS } from "#domain/batching/endpoint-urls.ts";
import { BATCH_TRIES_MAX } from "#domain/batching/retry.ts";

/** Our records as `openai` 7.57.0 has them (resources/batches.d.ts, files.d.ts). What is not there yet is null, as the provider writes it; `usage` is left out: every line of the output has its own. */

export type OpenAiBatchStatus = "validating" | "failed" | "in_progress" | "finalizing" | "completed" | "expired" | "cancelling" | "cancelled";

export type OpenAiBatch = {
	readonly id: string;
	readonly object: "batch";
	readonly endpoint: string;
	readonly model: string;
	readonly errors: OpenAiBatchErrors | null;
	readonly input_file_id: string | null;
	readonly completion_window: "24h";
	readonly status: OpenAiBatchStatus;
	readonly output_file_id: string | null;
	readonly error_file_id: string | null;
	readonly created_at: number;
	readonly in_progress_at: number | null;
	readonly expires_at: number;
	readonly finalizing_at: number | null;
	readonly completed_at: number | null;
	readonly failed_at: number | null;
	readonly expired_at: number | null;
	readonly cancelling_at: number | null;
	readonly cancelled_at: number | null;
	readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
	readonly metadata: Readonly<Record<string, string>> | null;
};

type OpenAiBatchErrors = {
	readonly object: "list";
	readonly data: readonly { readonly code: string; readonly message: string; readonly param: null; readonly line: null }[];
};

/** The only completion window there is. */
const COMPLETION_WINDOW_MS = 24 * 60 * 60 * 1_000;

const STATUSES: Readonly<Record<BatchState, OpenAiBatchStatus>> = {
	collecting: "validating",
	held: "validating",
	running: "in_progress",
	cancelling: "cancelling",
	finalizing: "finalizing",
	completed: "completed",
	expired: "expired",
	cancelled: "cancelled",
	failed: "failed",
};

/** Asked to end, it is being cancelled until it has ended, however far that has come. */
export function openAiStatus({ state, cancelAskedAtMs }: Pick<BatchRecord, "state" | "cancelAskedAtMs">): OpenAiBatchStatus {
	const isOpen = state === "held" || state === "running" || state === "finalizing";
	return isOpen && cancelAskedAtMs !== null ? "cancelling" : STATUSES[state];
}

export function renderOpenAiBatch(batch: BatchRecord): OpenAiBatch {
	const { counts } = batch;
	const status = openAiStatus(batch);
	const endedAs = (ended: OpenAiBatchStatus): number | null => (status === ended ? seconds(batch.endedAtMs) : null);
	return {
		id: batch.batchId,
		object: "batch",
		endpoint: ENDPOINT_URLS[batch.endpoint],
		model: batch.model,
		errors: errorsOf(batch, status),
		input_file_id: batch.inputFileId,
		completion_window: "24h",
		status,
		output_file_id: batch.outputFileId,
		error_file_id: batch.errorFileId,
		created_at: Math.floor(batch.createdAtMs / 1_000),
		in_progress_at: seconds(batch.runningSinceMs),
		expires_at: Math.floor(expiresAtMs(batch) / 1_000),
		finalizing_at: seconds(batch.finalizingSinceMs),
		completed_at: endedAs("completed"),
		failed_at: endedAs("failed"),
		expired_at: endedAs("expired"),
		cancelling_at: seconds(batch.cancelAskedAtMs),
		cancelled_at: endedAs("cancelled"),
		// What was neither answered nor refused stands in the error file too, as `batch_expired` or `batch_cancelled`.
		request_counts: { total: batch.items, completed: counts.succeeded, failed: counts.errored + counts.expired + counts.cancelled },
		metadata: batch.metadata,
	};
}

/** Each of the provider's batches that its items may go in, one after the other, has a window of its own, and so has what goes in real time after them. */
export function expiresAtMs({ deadlineMs, createdAtMs, rules }: BatchRecord): number {
	const windows = (rules.mayResubmit ? BATCH_TRIES_MAX : 1) + (rules.mayRelane ? 1 : 0);
	return deadlineMs ?? createdAtMs + COMPLETION_WINDOW_MS * windows;
}

function errorsOf({ problem }: BatchRecord, status: OpenAiBatchStatus): OpenAiBatchErrors | null {
	if (status !== "failed") return null;
	const message = problem ?? "The provider took none of the requests.";
	return { object: "list", data: [{ code: "batch_failed", message, param: null, line: null }] };
}

export function renderOpenAiFile(file: FileRecord) {
	return {
		id: file.fileId,
		object: "file",
		bytes: file.bytes,
		created_at: Math.floor(file.createdAtMs / 1_000),
		expires_at: seconds(file.expiresAtMs),
		filename: file.filename,
		purpose: file.purpose,
		status: "processed",
		status_details: null,
	} as const;
}

function seconds(atMs: number | null): number | null {
	return atMs === null ? null : Math.floor(atMs / 1_000);
}
