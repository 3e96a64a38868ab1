import type { Lane } from "./deferred.ts";

/**
 * One batch of the provider, with the items it carries. A batch has one, or more: it was split by the provider's limits, or unfinished
 * items of earlier parts went again.
 */

/**
 * `written`: its request file stands in the blob store; nothing is known to have left. `submitting`: an attempt to submit it began, its
 * outcome may be unknown. `running`: the provider knows it under `providerBatchId`. `ended`: the provider is done with it, results can be
 * read. `collected`: every result was booked. `failed`: the provider refused it as a whole, or lost it; nothing of it was billed.
 */
export const PART_STATES = ["written", "submitting", "running", "ended", "collected", "failed"] as const;
export type PartState = (typeof PART_STATES)[number];

export type PartRecord = {
	readonly batchId: string;
	/** From 1 within the batch. */
	readonly part: number;
	/** Travels as metadata where the provider has any, and is what a submitted part is found again by: `tollgate-<batch id>-<part>`. */
	readonly token: string;
	readonly state: PartState;
	readonly items: number;
	readonly bytes: number;
	/** Absent: `batch`. A part in real time is no batch of the provider: its items are called one by one. */
	readonly lane?: Lane;
	readonly providerFileId: string | null;
	readonly providerBatchId: string | null;
	/** Of `providerBatchId`. Absent: it is. False: it was found by its size alone, and may be another part's. */
	readonly isCertain?: false;
	/** Milliseconds since 1970 on PostgreSQL's clock; null = not yet. */
	readonly submitBeganAtMs: number | null;
	readonly runningSinceMs: number | null;
	readonly endedAtMs: number | null;
};

/** Whether what the provider runs as `providerBatchId` is certainly this part. */
export function isCertain(record: Pick<PartRecord, "isCertain">): boolean {
	return record.isCertain !== false;
}

/** How a provider's batch stands. Counts are the provider's own and may be zero until it ended. */
export type ProviderBatchStatus = {
	readonly providerBatchId: string;
	readonly state: "validating" | "running" | "cancelling" | "ended" | "failed";
	readonly total: number;
	readonly succeeded: number;
	readonly failed: number;
	/** Of a batch that failed as a whole: what the provider says, with the line where it names one. */
	readonly problems: readonly { readonly line: number | null; readonly code: string; readonly message: string }[];
	readonly createdAtMs: number;
	readonly expiresAtMs: number | null;
	/** Handles of what can be read once it ended. */
	readonly outputFileId: string | null;
	readonly errorFileId: string | null;
	readonly resultsUrl: string | null;
};
