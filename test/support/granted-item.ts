import type { GrantedItem } from "#activities/authority/port.ts";

/** What the authority says of a window of 100 of which 60 are held by another gateway, which was asked for it by claim 5. */
export function heldElsewhereItem(changes: Partial<GrantedItem> = {}): GrantedItem {
	return {
		...{ budgetId: "1", windowId: "11", seq: "1", limit: 100n, stop: 100n, granted: 60n },
		...{ isFrozen: false, isOverrun: false, isObserved: false, needsApproval: false },
		...{ leaseGranted: 0n, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null, endsInMs: null },
		...{ posted: 0n, heldElsewhere: 60n, heldUnreachable: 0n, heldUntil: null, claimId: 5n, leastAnswered: 5n },
		...changes,
	};
}
