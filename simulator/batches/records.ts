import type { Protocol } from "../provider-error.ts";
import type { BatchPlan } from "./plan.ts";

/** What the simulated provider keeps of files and batches. Times are milliseconds since 1970 on the simulated clock. */

export type StoredFile = {
	readonly id: string;
	/** Of creation; the greatest is the newest. */
	readonly ordinal: number;
	/** As the wire names it; `message_results` is no file of any wire. */
	readonly purpose: string;
	readonly filename: string;
	readonly bytes: number;
	readonly createdAtMs: number;
	/** null = never. */
	readonly expiresAtMs: number | null;
	/** Reads get `to` of its bytes, `readsLeft` times; null = every time. */
	readonly truncation: { readonly to: number; readonly readsLeft: number | null } | null;
};

export const MESSAGE_RESULTS = "message_results";

/** `ended` is final. */
export type BatchPhase = "validating" | "running" | "finalizing" | "ended";
export type BatchEnd = "completed" | "expired" | "cancelled" | "failed";

/** In the shape of the wire (openai resources/batches.d.ts, BatchError). */
export type BatchProblem = { readonly code: string; readonly line: number | null; readonly message: string; readonly param: string | null };

/** OpenAI's totals of a batch, out of the usage of its items. */
export type UsageTotals = {
	readonly inputTokens: number;
	readonly cachedTokens: number;
	readonly outputTokens: number;
	readonly reasoningTokens: number;
};

export const NO_USAGE: UsageTotals = { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 };

export type BatchRecord = {
	readonly id: string;
	readonly ordinal: number;
	readonly protocol: Protocol;
	/** Path of its items. */
	readonly endpoint: string;
	/** OpenAI alone. */
	readonly inputFileId: string | null;
	readonly metadata: Readonly<Record<string, string>> | null;
	/** OpenAI: life of the result files, from their creation. */
	readonly resultsKeptMs: number;
	readonly plan: BatchPlan;
	readonly phase: BatchPhase;
	/** null until it is known how the batch ends. */
	readonly end: BatchEnd | null;
	readonly problems: readonly BatchProblem[];
	/** Known once validated. */
	readonly model: string | null;
	readonly total: number;
	/** OpenAI: prompt tokens of all items. */
	readonly promptTokens: number;
	readonly createdAtMs: number;
	readonly expiresAtMs: number;
	/** null until its items run. */
	readonly startedAtMs: number | null;
	readonly cancelAskedAtMs: number | null;
	readonly finalizingAtMs: number | null;
	readonly endedAtMs: number | null;
	/** Items that ran, in the order of the input; the next one begins at `inputByte`. */
	readonly done: number;
	readonly inputByte: number;
	/** Bytes of the work file that `done` items fill. */
	readonly workBytes: number;
	readonly succeeded: number;
	readonly errored: number;
	/** Items that began and never finish. */
	readonly stuck: number;
	/** Known once it ended. */
	readonly expired: number;
	readonly cancelled: number;
	readonly usage: UsageTotals;
	/** Results of either protocol; OpenAI's errors stand in a file of their own. */
	readonly outputFileId: string | null;
	readonly errorFileId: string | null;
};

export function isOpen(record: BatchRecord): boolean {
	return record.phase !== "ended";
}
