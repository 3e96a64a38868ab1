import type { Lane } from "#domain/batching/deferred.ts";
import type { ItemToSend } from "./port.ts";

/**
 * Items of a batch that are called in real time, in PostgreSQL (migrations/0028): one worker at a time calls for a part, and says of each item
 * that it goes before it does. Implemented by ./store/real-time.ts.
 */

export type RealTimePart = { readonly batchId: string; readonly part: number };

/** An item without an outcome that a part in real time carries. */
export type RealTimeItem = Pick<ItemToSend, "n" | "tryNumber" | "customId" | "boundNanoUsd"> & {
	/** null: of a caller's batch. */
	readonly bodyBlobKey: string | null;
	readonly deadlineMs: number | null;
	/** This try was, or was about to be, sent. */
	readonly isSent: boolean;
	/** Its bound is held twice already. */
	readonly isSecondHeld: boolean;
};

/** An item that a part at its provider carries, and that may go in real time too. */
export type WaitingItem = { readonly n: number; readonly part: number; readonly deadlineMs: number };

export type RealTimeStore = {
	/** For so long nobody else calls for it, unless it is said again or given up (0). 0: it is the caller's; else how many milliseconds it is another's. */
	claimPart(of: RealTimePart, caller: string, forMs: number): Promise<number>;
	/** In order of `n`, from `after` on. */
	itemsInRealTime(of: RealTimePart, after: number, most: number): Promise<readonly RealTimeItem[]>;
	/** Those that the caller may send now: each try once. None where the part is another's by now, or its batch is to end. */
	markSent(of: RealTimePart, caller: string, numbers: readonly number[]): Promise<readonly number[]>;
	/** The provider certainly did not take them: they are sent again under the same try. */
	unmarkSent(of: RealTimePart, numbers: readonly number[]): Promise<void>;
	/** These tries brought nothing and cost nothing: their items can be sent again with another part. */
	freeItems(of: RealTimePart, tries: readonly { readonly n: number; readonly tryNumber: number }[]): Promise<void>;
	/** Most urgent first. */
	waitingInBatches(batchId: string): Promise<readonly WaitingItem[]>;
	/** By which lane the newest try of those items went that wait to be sent; those that no part has carried are not in it. */
	lanesOfWaiting(batchId: string): Promise<ReadonlyMap<number, Lane>>;
};
