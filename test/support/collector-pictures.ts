import { type CollectedItem, tallyOf } from "#domain/batching/collect.ts";
import { reduceCollector } from "#domain/batching/collector-reducer.ts";
import { type CollectingBatch, type CollectorPicture, type CollectorState, emptyCollector } from "#domain/batching/collector-state.ts";
import { LINE_OVERHEAD_BYTES } from "#domain/batching/split-parts.ts";
import { collectorScope } from "./memory-collector.ts";

export const STARTS_AT_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

export type TestBatch = {
	readonly batchId?: string;
	readonly items?: number;
	readonly of?: Partial<CollectedItem>;
	readonly reachableDeadlineMs?: number | null;
};

/** One item, of STARTS_AT_MS, where a test says nothing else. */
export function collectingBatch({ batchId = "batch_1", items = 1, of = {}, reachableDeadlineMs = null }: TestBatch = {}): CollectingBatch {
	const each: CollectedItem = { bytes: 100, boundInputTokens: 10, arrivedAtMs: STARTS_AT_MS, deadlineMs: null, ...of };
	const tally = tallyOf(
		Array.from({ length: items }, () => each),
		{ itemOverheadBytes: LINE_OVERHEAD_BYTES },
	);
	return { batchId, version: "7", heldNanoUsd: String(items * 100), tally, reachableDeadlineMs };
}

/** A provider whose batches take two hours, at no limit but 100 items and a megabyte. */
export function collectorPicture(batches: readonly TestBatch[], picture: Partial<CollectorPicture> = {}): CollectorPicture {
	return {
		clockMs: STARTS_AT_MS,
		batches: batches.map((batch) => collectingBatch(batch)),
		limits: { itemsMax: 100, bytesMax: 1_000_000, embeddingInputsMax: null, enqueuedTokensMax: null },
		batchesLeft: null,
		enqueuedTokens: 0,
		turnaround: { quantileMs: 2 * HOUR_MS, source: "all_hours", samples: 300, inFlight: 4 },
		realTimeP99Ms: 60_000,
		marginMs: 300_000,
		...picture,
	};
}

/** Read at `clockMs`, on a clock that agrees with PostgreSQL's. */
export function collectorState(batches: readonly TestBatch[], picture: Partial<CollectorPicture> = {}): CollectorState {
	const read = collectorPicture(batches, picture);
	return reduceCollector(emptyCollector(collectorScope()), { kind: "read", picture: read, nowMs: read.clockMs });
}
