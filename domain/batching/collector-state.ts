import type { BatchScope } from "./batch.ts";
import type { CollectorTally, FlushReason } from "./collect.ts";
import type { TurnaroundEstimate } from "./turnaround.ts";

/**
 * What the workflow of a collector remembers. It crosses continue-as-new as plain JSON, so every release must read what an older one wrote.
 * What waits, PostgreSQL holds; all of this may be lost, and costs one look at the rows.
 */

/** Items of one team, protocol, endpoint, deployment and model are collected together. */
export type CollectorScope = BatchScope;

/** One of them that collects. As a rule there is one; another for each price version that items still come at. */
export type CollectingBatch = {
	readonly batchId: string;
	readonly version: string;
	/** Nano-USD as a decimal string. */
	readonly heldNanoUsd: string;
	/** On PostgreSQL's clock. */
	readonly tally: CollectorTally;
	/** The earliest of those deadlines that a batch could keep when their items came; null: there is none. The others go in real time. */
	readonly reachableDeadlineMs: number | null;
};

/** null: the provider sets no such limit. */
export type CollectorLimits = {
	readonly itemsMax: number;
	readonly bytesMax: number;
	readonly embeddingInputsMax: number | null;
	readonly enqueuedTokensMax: number | null;
};

/** What waits and what it goes by, at one time. */
export type CollectorPicture = {
	/** Milliseconds since 1970 on PostgreSQL's clock, as all times of the batches. */
	readonly clockMs: number;
	/** Oldest first. */
	readonly batches: readonly CollectingBatch[];
	readonly limits: CollectorLimits;
	/** That the provider takes within this hour yet; null where it sets no limit. */
	readonly batchesLeft: number | null;
	/** Of our prompts that wait at the provider. */
	readonly enqueuedTokens: number;
	readonly turnaround: Pick<TurnaroundEstimate, "quantileMs" | "source" | "samples" | "inFlight">;
	readonly realTimeP99Ms: number;
	readonly marginMs: number;
};

/**
 * `real_time`: an item's deadline leaves no more than a call in real time needs. `asked`: an operator wants it. `ending`: somebody ends the
 * collector's workflow.
 */
export type CollectorFlushReason = FlushReason | "real_time" | "asked" | "ending";

export type LastFlush = { readonly atMs: number; readonly batchId: string; readonly items: number; readonly reason: CollectorFlushReason };

export type CollectorTrouble = { readonly atMs: number; readonly step: string; readonly message: string };

export type CollectorState = {
	readonly schemaVersion: 1;
	readonly scope: CollectorScope;
	/** null before the first reading. */
	readonly picture: CollectorPicture | null;
	/** When it was read, and what is added to this clock to have PostgreSQL's. */
	readonly readAtMs: number;
	readonly skewMs: number;
	/** Something changed that the picture does not show. */
	readonly isStale: boolean;
	/** Nothing is done before. */
	readonly dueAtMs: number;
	/** Failed steps in a row. */
	readonly failures: number;
	/** Nothing has waited since; null: something does, or nobody looked yet. */
	readonly emptySinceMs: number | null;
	/** Who wants everything to go now; null: nobody. */
	readonly askedBy: string | null;
	/** It sends what it has, and ends. */
	readonly isEnding: boolean;
	readonly flushes: number;
	/** Items of all flushes. */
	readonly flushedItems: number;
	readonly lastFlush: LastFlush | null;
	readonly trouble: CollectorTrouble | null;
	/** Delays in thousandths; 1,000 but in tests. */
	readonly pacePermille: number;
};

export function emptyCollector(scope: CollectorScope, pacePermille = 1_000): CollectorState {
	return {
		schemaVersion: 1,
		...{ scope, pacePermille },
		...{
			picture: null,
			readAtMs: 0,
			skewMs: 0,
			isStale: true,
			dueAtMs: 0,
			failures: 0,
			emptySinceMs: null,
			askedBy: null,
			isEnding: false,
			flushes: 0,
			flushedItems: 0,
			lastFlush: null,
			trouble: null,
		},
	};
}
