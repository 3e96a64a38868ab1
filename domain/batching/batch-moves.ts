import type { BatchState, ItemOutcome } from "./batch.ts";
import type { PartState } from "./batch-part.ts";

/**
 * Where a batch, a part of it and an item may go from where they stand. Data, so that the store, the workflow and the documents read the
 * same. What is final leads nowhere: money is closed with it, and a late word of the provider must not open it again.
 */
export const BATCH_MOVES: Readonly<Record<BatchState, readonly BatchState[]>> = {
	collecting: ["held"],
	// Cancelled before anything left: there is nothing to wait for, and it ends as any cancelled batch does.
	held: ["running", "cancelling", "failed"],
	running: ["cancelling", "finalizing", "failed"],
	// A batch that is cancelled too late ends as what it became; one that had nothing to join ends at once.
	cancelling: ["finalizing", "cancelled"],
	finalizing: ["completed", "expired", "cancelled"],
	completed: [],
	expired: [],
	cancelled: [],
	failed: [],
};

export const PART_MOVES: Readonly<Record<PartState, readonly PartState[]>> = {
	// `failed` without having left: the batch was cancelled before its turn came.
	written: ["submitting", "failed"],
	// Back to `written` never: what may have left stays in doubt until the provider knows it or is known not to.
	submitting: ["running", "failed"],
	running: ["ended", "failed"],
	ended: ["collected", "failed"],
	collected: [],
	failed: [],
};

/** An item without an outcome is `open`, in whatever part and for the how manieth try. */
export type ItemState = "open" | ItemOutcome;

export const ITEM_MOVES: Readonly<Record<ItemState, readonly ItemState[]>> = {
	open: ["succeeded", "errored", "expired", "cancelled"],
	succeeded: [],
	errored: [],
	expired: [],
	cancelled: [],
};

/** To stay is legal, final or not: an activity that is tried again finds its work done. */
export function mayMove(from: BatchState, to: BatchState): boolean {
	return from === to || BATCH_MOVES[from].includes(to);
}

export function mayMovePart(from: PartState, to: PartState): boolean {
	return from === to || PART_MOVES[from].includes(to);
}

export function mayMoveItem(from: ItemState, to: ItemState): boolean {
	return from === to || ITEM_MOVES[from].includes(to);
}

export function isFinalBatch(state: BatchState): boolean {
	return BATCH_MOVES[state].length === 0;
}

export function isFinalPart(state: PartState): boolean {
	return PART_MOVES[state].length === 0;
}
