import type { CollectorTally } from "#domain/batching/collect.ts";
import type { CollectingBatch, CollectorFlushReason, CollectorPicture, CollectorScope } from "#domain/batching/collector-state.ts";
import type { TellReason } from "#domain/batching/collector-tell.ts";
import type { ProviderLoad } from "#domain/batching/job-pace.ts";
import type { RoleObserver } from "../../shared/role-loop.ts";
import type { BatchStore } from "../port.ts";
import type { BatchLimits } from "../providers/provider-port.ts";
import type { Turnarounds } from "../turnarounds.ts";

/** What the activities of a collector work with. */
export type CollectorDependencies = {
	readonly rows: CollectorRows;
	readonly read: BatchStore["read"];
	readonly turnarounds: Turnarounds;
	/** Of the account that runs batches of this deployment. */
	limitsOf(scope: CollectorScope): BatchLimits;
	readLoad(scope: CollectorScope): Promise<ProviderLoad>;
	/** What a call in real time takes in all but one of a hundred cases, and what is added to it. */
	readonly realTimeP99Ms: number;
	readonly marginMs: number;
};

/** Batches that collect, in PostgreSQL: one function call in one statement each. */
export type CollectorRows = {
	/** Of one collector, oldest first. `neededMs`: what a batch needs before the deadline of an item. */
	batchesOf(scope: CollectorScope, of: { readonly neededMs: number; readonly most: number }): Promise<readonly CollectingBatch[]>;
	/** `collecting` → `held`. Null `version`: as it is. False: it is not as it was, or does not collect. */
	flush(batchId: string, version: string | null): Promise<boolean>;
};

export type ReadCollectorInput = { readonly scope: CollectorScope };
export type FlushCollectorInput = { readonly batchId: string; readonly version: string | null; readonly reason: CollectorFlushReason };
/** `items` null: it was not as it was read, and collects on. */
export type FlushCollectorResult = { readonly items: number | null };
export type ReadCollectorResult = CollectorPicture;

/** A batch that collects, as its starter sees it. `changedAtMs` and `clockMs` on PostgreSQL's clock. */
export type SeenBatch = {
	readonly number: string;
	readonly batchId: string;
	readonly version: string;
	readonly items: number;
	readonly changedAtMs: number;
	readonly clockMs: number;
	readonly scope: CollectorScope;
};

export type CollectingBatches = {
	/** Whether this process is the one that tells. */
	tryLock(): Promise<boolean>;
	/** Those that have items, by their numbers, from `after` on. */
	seen(after: string, most: number): Promise<readonly SeenBatch[]>;
	/** undefined: it does not collect any more. */
	tally(batchId: string): Promise<CollectorTally | undefined>;
};

/** What a collector's workflow is told: sums alone. */
export type ItemsCollected = { readonly batchId: string; readonly items: number; readonly reason: TellReason };

/** Where the workflows of collectors are told. Rejects within its own deadline when Temporal is away. */
export type CollectorTeller = {
	/** Starts the workflow where it does not run. */
	tell(scope: CollectorScope, collected: ItemsCollected): Promise<void>;
};

export type CollectorStarterObserver = RoleObserver & { told(collected: ItemsCollected): void };
