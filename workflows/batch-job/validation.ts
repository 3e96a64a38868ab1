import type { BatchChange } from "./messages.ts";

/** Signals cannot be refused: of one of any other shape only that something changed is taken. */
export function asksForRetry(change: BatchChange): boolean {
	return change?.retriesNow === true;
}
