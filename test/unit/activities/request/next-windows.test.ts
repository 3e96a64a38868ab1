import { expect, it } from "vitest";
import { nextWindowsDue } from "#activities/request/next-windows.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import type { LeaseFacts } from "#domain/budget/window-lease.ts";
import { amounts } from "#test/support/amounts.ts";

const facts = (budgetId: string, windowId: string): LeaseFacts => ({
	...{ budgetId, windowId, seq: "1", limit: 1_000n, stop: 1_000n, granted: 100n, isFrozen: false, isOverrun: false, isObserved: false, needsApproval: false },
	...{ leaseGranted: 100n, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null },
});

/** Two leases that end after 100 s, of budgets 10 and 9, each used at `usedAtMs` for a call of 7. */
function bookUsedAt(usedAtMs: number): LeaseBook {
	const book = new LeaseBook();
	book.renew(0, 200_000);
	for (const budgetId of ["10", "9"]) {
		book.adopt("nano_usd", facts(budgetId, `${budgetId}-1`), 100_000);
		book.tryReserve([{ budgetId, unit: "nano_usd" }], amounts({ nanoUsd: 7n }), usedAtMs);
	}
	return book;
}

const due = (book: LeaseBook, nowMs: number, random = 0) => nextWindowsDue(book, nowMs, () => random).map(({ budgetId }) => budgetId);

it("asks in the last minute, at a moment of its own, ascending by budget, for eight needs", () => {
	const book = bookUsedAt(40_000);
	expect(due(book, 44_000)).toEqual([]);
	expect(due(book, 45_000, 0.5)).toEqual([]); // chosen now: half of the 50 s there are
	expect(due(book, 69_000, 0)).toEqual([]);
	expect(nextWindowsDue(book, 70_000)).toEqual([
		{ budgetId: "9", unit: "nano_usd", lookahead: 56n, allowance: 0n },
		{ budgetId: "10", unit: "nano_usd", lookahead: 56n, allowance: 0n },
	]);
});

it("asks at once when little of the minute is left, and never at the boundary itself", () => {
	expect(due(bookUsedAt(40_000), 96_000, 0.9)).toEqual(["9", "10"]);
	expect(due(bookUsedAt(40_000), 100_000)).toEqual([]);
});

it("asks again only after a while where nothing came, and no more once a lease is there, unless a change made it stale", () => {
	const book = bookUsedAt(40_000);
	expect(due(book, 50_000)).toEqual(["9", "10"]);
	expect(due(book, 51_000)).toEqual([]);
	for (const budgetId of ["9", "10"]) book.adoptAhead("nano_usd", facts(budgetId, `${budgetId}-2`), { startsAtMs: 100_000, endsAtMs: 200_000 });
	expect(due(book, 52_000)).toEqual([]);
	const next = book.nextLeaseOf("9") ?? expect.fail("a lease");
	next.isStale = true;
	expect(due(book, 52_000)).toEqual(["9"]);
});

it("leaves alone what was not used for a minute, is frozen, or never ends", () => {
	const book = bookUsedAt(1_000);
	expect(due(book, 70_000)).toEqual([]);
	const frozen = bookUsedAt(40_000);
	frozen.adopt("nano_usd", { ...facts("9", "9-1"), isFrozen: true }, 100_000);
	expect(due(frozen, 70_000)).toEqual(["10"]);
	const lifetime = new LeaseBook();
	lifetime.adopt("nano_usd", facts("9", "9-1"), Number.POSITIVE_INFINITY);
	expect(due(lifetime, 1)).toEqual([]);
});
