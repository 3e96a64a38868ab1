import type { ItemOutcome } from "./batch.ts";

/** How an item stands: its newest try (0 = no part has carried it), and its outcome, null while it has none. */
export type ItemStanding = { readonly tryNumber: number; readonly outcome: ItemOutcome | null };

/**
 * What the provider says of one try. `isBooked`: that try is in the ledger already. `isLost`: nothing is known of it and never will be, so that it
 * counts as billed; default false.
 */
export type TryResult = {
	readonly tryNumber: number;
	readonly outcome: ItemOutcome;
	readonly isBilled: boolean;
	readonly isBooked: boolean;
	readonly isLost?: boolean;
};

/**
 * What a result does. `ends`: it is what came of the item, and its bound is free. `duplicate`: it was billed beside that and is booked, for what
 * was paid is spent; the outcome, and what is held for a try that may still run, stay as they are. `ignored`: it changes nothing.
 *
 * A line that the provider repeats is of a try that is booked, or was not billed and ends nothing any more. An older try that succeeded after a
 * newer one was sent is an answer all the same; one that did not must not end an item whose newer try still runs.
 */
export function decideBooking(item: ItemStanding, result: TryResult): "ends" | "duplicate" | "ignored" {
	if (result.isBooked || (result.isLost === true && item.outcome !== null)) return "ignored";
	const isAnswer = result.tryNumber >= item.tryNumber || (result.isBilled && result.outcome === "succeeded");
	if (item.outcome === null && isAnswer) return "ends";
	return result.isBilled ? "duplicate" : "ignored";
}
