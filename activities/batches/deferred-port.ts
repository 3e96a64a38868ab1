import type { GrantedItem } from "#activities/authority/port.ts";
import type { RefusalRecord } from "#activities/ledger/record.ts";
import type { Refusal } from "#activities/request/port.ts";
import type { TraceContext } from "#activities/telemetry/port.ts";
import type { BatchScope, HeldItem, ItemOutcome } from "#domain/batching/batch.ts";
import type { CollectorTally } from "#domain/batching/collect.ts";
import type { DeferredStatus, Lane } from "#domain/batching/deferred.ts";
import type { Attribution, BatchRecord, Page } from "./port.ts";

/**
 * Items that were handed in alone, in PostgreSQL (migrations/0026, 0031): each function one call in one statement, each may be done again. Numbers
 * travel as decimal strings, times as milliseconds since 1970 on PostgreSQL's clock. Implemented by ./store/deferred.ts.
 */

/** `item.boundNanoUsd`: at the dearest lane it may take. `item.n` is given by the store. */
export type NewDeferredItem = BatchScope & {
	readonly deferredId: string;
	readonly attribution: Attribution;
	readonly item: Omit<HeldItem, "n" | "customId">;
	readonly pricedModel: string;
	readonly priceVersion: number;
	readonly pricesAsOfMs: number;
	readonly deadlineMs: number | null;
	/** False: `x-tollgate-lane: batch`. Its bound is of the batch tier alone then. */
	readonly mayGoRealTime: boolean;
	/** A channel of policy that is told of its end. */
	readonly webhook: string | null;
	readonly bodyBlobKey: string;
	/** Of one with an Idempotency-Key, of which its id is derived: tells another request under that key. Absent or null: it has none. */
	readonly requestHash?: string | null;
	/** Absent or null: whoever handed it in named no trace. */
	readonly traceContext?: TraceContext | null;
};

export type AcceptResult =
	/** Also where the same id was accepted before, by the same team. */
	| { readonly kind: "accepted"; readonly record: DeferredRecord; readonly batch: BatchRecord }
	| { readonly kind: "short"; readonly items: readonly GrantedItem[] }
	| { readonly kind: "refused"; readonly refusal: Refusal; readonly record: RefusalRecord };

export type DeferredRecord = {
	readonly deferredId: string;
	readonly teamId: string;
	readonly keyId: string;
	readonly batchId: string;
	readonly n: number;
	readonly protocol: BatchScope["protocol"];
	readonly endpoint: BatchScope["endpoint"];
	readonly model: string;
	readonly status: DeferredStatus;
	/** Of the try that answered, else of the one that carries it; null before it has one. */
	readonly lane: Lane | null;
	readonly acceptedAtMs: number;
	readonly deadlineMs: number | null;
	readonly answeredAtMs: number | null;
	/** Answered, or still open, after its deadline. */
	readonly isLate: boolean;
	readonly heldNanoUsd: string;
	/** Of all its tries; null while nothing was billed. */
	readonly costNanoUsd: string | null;
	/** Of its answer. */
	readonly httpStatus: number | null;
	readonly answerBlobKey: string | null;
	readonly webhook: string | null;
	readonly requestHash: string | null;
};

/** A batch that collects, and the sums over its items. */
export type Collector = { readonly batch: BatchRecord; readonly tally: CollectorTally };

/** `tryNumber`: the try that ended it. */
export type AnswerToDeliver = {
	readonly n: number;
	readonly tryNumber: number;
	/** That carried it last, where the answer most likely is; null: none did. */
	readonly part: number | null;
	readonly deferredId: string;
	/** Needed no more once it is answered. */
	readonly bodyBlobKey: string;
	readonly outcome: ItemOutcome;
	/** The try that ended it was billed, or may have been. */
	readonly isCharged: boolean;
};

export type DeferredSums = {
	readonly teamId: string;
	readonly lane: Lane;
	readonly items: number;
	readonly costNanoUsd: string;
	/** What the same usage costs in real time. */
	readonly realTimeNanoUsd: string;
	readonly lateItems: number;
	readonly lateMsMax: number;
};

export type DeferredStore = {
	/** Adds the item to its collector's batch and holds its bound, or neither; with those that ask at the same time, each for itself. Asked as `holdInTime` does. */
	accept(item: NewDeferredItem, ask: { readonly waitIsOver: boolean }): Promise<AcceptResult>;
	/** undefined: none of this team is called so. */
	readDeferred(teamId: string, deferredId: string): Promise<DeferredRecord | undefined>;
	/** Newest first. */
	listDeferred(teamId: string, page: Page & { readonly status?: DeferredStatus }): Promise<readonly DeferredRecord[]>;
	/** Those of the ids whose answer can be read, or that ended without one. */
	answered(deferredIds: readonly string[]): Promise<readonly string[]>;
	/** Ends it at once where it still collects or waits; else it ends as its part does. undefined: none of this team. */
	cancelDeferred(teamId: string, deferredId: string): Promise<DeferredRecord | undefined>;

	/** Batches that collect and have items, oldest first: whose collector is to be told. */
	collecting(most: number): Promise<readonly Collector[]>;
	readCollector(batchId: string): Promise<Collector | undefined>;
	/** `collecting` → `held`. undefined: it is not as it was when that was decided (`version`; null: more items change nothing), or is held already. */
	flush(batchId: string, version: string | null): Promise<BatchRecord | undefined>;

	/** Items with an outcome whose answer was not written yet, in order of `n`, from `after` on. */
	unanswered(batchId: string, after: number, most: number): Promise<readonly AnswerToDeliver[]>;
	/** With it their webhooks are due. */
	markAnswered(batchId: string, answers: readonly { readonly n: number; readonly httpStatus: number; readonly answerBlobKey: string }[]): Promise<void>;
	sums(teamId: string | null, of: { readonly sinceMs: number; readonly untilMs: number }): Promise<readonly DeferredSums[]>;

	/**
	 * The second bound of items that go in real time beside, or after, their batch: those that have it, each as much as its first. Of a caller's batch none
	 * has: what it holds is bounded at the price of batches.
	 */
	holdMore(batchId: string, numbers: readonly number[], ask: { readonly waitIsOver: boolean }): Promise<readonly number[]>;
};
