import { describe, expect, it } from "vitest";
import type { LeaseBook } from "#domain/budget/lease-book.ts";
import { bookWith, facts, money, TEAM } from "#test/support/lease-books.ts";

describe("a lease of an agent run that rests", () => {
	const BUDGETS = new Set(["1"]);

	/** Leased 50: 20 spent, 30 given back, which the authority confirmed. */
	function bookAtRest(): LeaseBook {
		const book = bookWith({});
		book.settle(book.tryReserve(TEAM, money(20n), 1) ?? expect.fail("reserved"), money(20n));
		const lease = book.leaseOf("1", 0) ?? expect.fail("leased");
		lease.returnIdle();
		lease.returnedConfirmed = 30n;
		return book;
	}

	it("is forgotten once it holds nothing and all it gave back is confirmed; one that is not there is as good as forgotten", () => {
		const book = bookAtRest();
		expect(book.forgetResting(new Set(["1", "2"]))).toEqual(["1", "2"]);
		expect([book.leaseOf("1", 0), book.leaseOfWindow("11"), [...book.leases()]]).toEqual([undefined, undefined, []]);
	});

	it.each([
		["has calls in flight", (book: LeaseBook) => void Object.assign(book.leaseOf("1", 0) ?? {}, { reserved: 1n, spent: 19n })],
		["holds idle money", (book: LeaseBook) => void Object.assign(book.leaseOf("1", 0) ?? {}, { granted: 51n })],
		["has money on its way back", (book: LeaseBook) => void Object.assign(book.leaseOf("1", 0) ?? {}, { returnedConfirmed: 29n })],
		["is to be presented to an authority that lost commits", (book: LeaseBook) => void Object.assign(book.leaseOf("1", 0) ?? {}, { isForgotten: true })],
	])("is kept while it %s", (_, change) => {
		const book = bookAtRest();
		change(book);
		expect(book.forgetResting(BUDGETS)).toEqual([]);
		expect(book.leaseOfWindow("11")).toBeDefined();
	});

	it("is adopted again as its row stands, and gives back on top of what it gave back before", () => {
		const book = bookAtRest();
		book.forgetResting(BUDGETS);
		const row = facts({ granted: 45n, leaseGranted: 75n, leaseReturned: 30n, leasePosted: 20n, leaseOverrun: 4n });
		expect(book.adopt("nano_usd", row, Number.POSITIVE_INFINITY)).toBe(true);
		const lease = book.leaseOf("1", 0) ?? expect.fail("leased");
		expect(lease).toMatchObject({ idle: 25n, spent: 20n, returned: 30n, returnedConfirmed: 30n, overrun: 4n, isOverrun: false });
		expect(book.tryReserve(TEAM, money(26n), 1)).toBeUndefined();
		book.tryReserve(TEAM, money(10n), 1);
		lease.returnIdle();
		expect(lease.returned).toBe(45n);
	});
});
