import { LeaseBook } from "#domain/budget/lease-book.ts";
import type { LeaseFacts } from "#domain/budget/window-lease.ts";
import { amounts } from "./amounts.ts";

/** Leases of a budget of 100, half of it leased, in the memory of a gateway. */
export const facts = (more: Partial<LeaseFacts> = {}): LeaseFacts => ({
	budgetId: "1",
	windowId: "11",
	seq: "1",
	limit: 100n,
	stop: 100n,
	granted: 50n,
	isFrozen: false,
	isOverrun: false,
	isObserved: false,
	needsApproval: false,
	leaseGranted: 50n,
	leaseReturned: 0n,
	leasePosted: 0n,
	leaseOverrun: 0n,
	endsAt: null,
	...more,
});

export const money = (nanoUsd: bigint, tokens = 0n) => amounts({ nanoUsd, tokens });
export const TEAM = [{ budgetId: "1", unit: "nano_usd" as const }];

export function bookWith(...rows: readonly Partial<LeaseFacts>[]): LeaseBook {
	const book = new LeaseBook();
	book.renew(0, 60_000);
	for (const row of rows) book.adopt("nano_usd", facts(row), Number.POSITIVE_INFINITY);
	return book;
}
