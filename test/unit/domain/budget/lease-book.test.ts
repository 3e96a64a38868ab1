import { describe, expect, it } from "vitest";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import { amounts } from "#test/support/amounts.ts";
import { bookWith, facts, money, TEAM } from "#test/support/lease-books.ts";

describe("LeaseBook", () => {
	it("reserves until the idle money is gone, and gives back what a call did not cost", () => {
		const book = bookWith({});
		const first = book.tryReserve(TEAM, money(30n), 1);
		expect(book.tryReserve(TEAM, money(21n), 1)).toBeUndefined();
		expect(book.tryReserve(TEAM, money(20n), 1)).toBeDefined();
		book.settle(first ?? expect.fail("reserved"), money(10n));
		expect(book.leaseOf("1", 0)?.idle).toBe(20n);
	});

	it("reserves in every window or in none", () => {
		const book = bookWith({}, { budgetId: "2", windowId: "22", leaseGranted: 5n });
		expect(book.tryReserve([...TEAM, { budgetId: "2", unit: "nano_usd" }], money(6n), 1)).toBeUndefined();
		expect(book.leaseOf("1", 0)?.reserved).toBe(0n);
	});

	it("spends nothing once the lease has expired, whatever money it holds", () => {
		const book = bookWith({});
		expect(book.tryReserve(TEAM, money(1n), 59_999)).toBeDefined();
		expect(book.tryReserve(TEAM, money(1n), 60_000)).toBeUndefined();
	});

	it("spends nothing from an ended, frozen, overrun or changed window", () => {
		for (const row of [{ isFrozen: true }, { isOverrun: true }]) expect(bookWith(row).tryReserve(TEAM, money(1n), 1)).toBeUndefined();
		const book = new LeaseBook();
		book.renew(0, 60_000);
		book.adopt("nano_usd", facts(), 10);
		expect(book.tryReserve(TEAM, money(1n), 10)).toBeUndefined();
		expect(book.tryReserve(TEAM, money(1n), 9)).toBeDefined();
		for (const lease of book.leases()) lease.isStale = true;
		expect(book.tryReserve(TEAM, money(1n), 9)).toBeUndefined();
	});

	it("takes a cost above the reservation from idle money first and calls only the rest overrun", () => {
		const book = bookWith({});
		const reservation = book.tryReserve(TEAM, money(10n), 1) ?? expect.fail("reserved");
		expect(book.settle(reservation, money(35n)).size).toBe(0);
		const second = book.tryReserve(TEAM, money(15n), 1) ?? expect.fail("reserved");
		expect([...book.settle(second, money(18n))]).toEqual([["11", 3n]]);
		expect(book.leaseOf("1", 0)).toMatchObject({ idle: 0n, spent: 50n });
	});

	it("spends nothing more from an overrun window, also before the authority has heard of it, until it is cleared", () => {
		const book = bookWith({});
		const reservation = book.tryReserve(TEAM, money(10n), 1) ?? expect.fail("reserved");
		book.settle(reservation, money(60n));
		book.adopt("nano_usd", facts({ leaseGranted: 70n }), Number.POSITIVE_INFINITY); // granted before the flush arrived
		expect(book.tryReserve(TEAM, money(1n), 1)).toBeUndefined();
		book.adopt("nano_usd", facts({ leaseGranted: 70n, leaseOverrun: 10n, isOverrun: true }), Number.POSITIVE_INFINITY);
		expect(book.tryReserve(TEAM, money(1n), 1)).toBeUndefined();
		book.adopt("nano_usd", facts({ leaseGranted: 70n, leaseOverrun: 10n, isOverrun: false }), Number.POSITIVE_INFINITY);
		expect(book.tryReserve(TEAM, money(1n), 1)).toBeDefined();
	});

	it("finds the overrun of each window by its own idle money", () => {
		const book = bookWith({}, { budgetId: "2", windowId: "22", leaseGranted: 10n });
		const both = [...TEAM, { budgetId: "2", unit: "nano_usd" as const }];
		const reservation = book.tryReserve(both, money(10n), 1) ?? expect.fail("reserved");
		expect([...book.settle(reservation, money(12n))]).toEqual([["22", 2n]]);
		expect(book.leaseOf("1", 0)?.spent).toBe(12n);
		expect(book.leaseOf("2", 0)?.spent).toBe(10n);
	});

	it("returns idle money as an absolute amount", () => {
		const book = bookWith({});
		book.tryReserve(TEAM, money(20n), 1);
		const lease = book.leaseOf("1", 0) ?? expect.fail("leased");
		for (let round = 0; round < 2; round++) lease.returnIdle();
		expect(lease.returned).toBe(30n);
		expect(lease.idle).toBe(0n);
	});

	it("does not adopt a row that shows less than it was granted: commits were lost", () => {
		const book = bookWith({});
		expect(book.adopt("nano_usd", facts({ leaseGranted: 40n }), Number.POSITIVE_INFINITY)).toBe(false);
		expect(book.leaseOf("1", 0)?.granted).toBe(50n);
	});

	it("does not adopt a row that returned more than it gave back: somebody else gave the money away", () => {
		const book = bookWith({});
		book.leaseOf("1", 0)?.returnFree();
		expect(book.adopt("nano_usd", facts({ leaseReturned: 50n, leaseGranted: 60n }), Number.POSITIVE_INFINITY)).toBe(true);
		expect(book.adopt("nano_usd", facts({ leaseReturned: 51n, leaseGranted: 70n }), Number.POSITIVE_INFINITY)).toBe(false);
		expect(book.tryReserve(TEAM, money(1n), 1)).toBeUndefined();
	});

	it("spends nothing from a forgotten lease until what was presented is confirmed by a grant", () => {
		const book = bookWith({});
		book.adopt("nano_usd", facts({ leaseGranted: 40n }), Number.POSITIVE_INFINITY);
		const lease = book.leaseOf("1", 0) ?? expect.fail("leased");
		lease.returnIdle();
		lease.wasPresented();
		expect(lease.isSpendable(1)).toBe(false);
		book.adopt("nano_usd", facts({ leaseGranted: 55n, leaseReturned: 50n }), Number.POSITIVE_INFINITY);
		expect(book.tryReserve(TEAM, money(5n), 1)).toBeDefined();
	});

	it("forgets an ended window only when it holds nothing any more", () => {
		const book = new LeaseBook();
		book.renew(0, 60_000);
		book.adopt("nano_usd", facts(), 10);
		const call = book.tryReserve(TEAM, money(50n), 9) ?? expect.fail("reserved");
		const isKnown = () => book.leaseOfWindow("11") !== undefined;
		book.forgetEnded(1_000_000);
		expect(isKnown()).toBe(true);
		book.settle(call, money(20n));
		book.forgetEnded(1_000_000);
		expect(isKnown()).toBe(true); // 30 are still to be given back
		book.returnUnneeded(1_000_000, 30_000);
		book.forgetEnded(60_009);
		expect(isKnown()).toBe(true);
		book.forgetEnded(60_010);
		expect(isKnown()).toBe(false);
	});

	it("is low below half of what the last grant left free, while there is more to have and nobody claims it", () => {
		const book = bookWith({});
		const lease = book.leaseOf("1", 0) ?? expect.fail("leased");
		book.tryReserve(TEAM, money(25n), 1);
		expect(lease.isLow(1)).toBe(false);
		book.tryReserve(TEAM, money(1n), 1);
		expect(lease.isLow(1)).toBe(true);
		lease.noLookaheadUntilMs = 2;
		expect(lease.isLow(1)).toBe(false);
		book.adopt("nano_usd", facts({ granted: 100n, leaseGranted: 100n }), Number.POSITIVE_INFINITY);
		book.tryReserve(TEAM, money(60n), 3);
		expect(lease.isLow(3)).toBe(false); // all is granted
	});

	it("keeps token budgets in tokens and money in money", () => {
		const book = new LeaseBook();
		book.renew(0, 60_000);
		book.adopt("tokens", facts({ budgetId: "3", windowId: "33", leaseGranted: 100n }), Number.POSITIVE_INFINITY);
		const reservation = book.tryReserve([{ budgetId: "3", unit: "tokens" }], money(1_000_000n, 80n), 1) ?? expect.fail("reserved");
		expect(book.settle(reservation, money(2_000_000n, 30n)).size).toBe(0);
		expect(book.leaseOf("3", 0)?.idle).toBe(70n);
	});

	it("holds a step of an agent run in every unit at once, and settles it in each", () => {
		const book = new LeaseBook();
		book.renew(0, 60_000);
		const units = ["nano_usd", "input_tokens", "output_tokens", "steps"] as const;
		for (const [index, unit] of units.entries())
			book.adopt(unit, facts({ budgetId: String(index), windowId: `w${index}`, leaseGranted: 100n }), Number.POSITIVE_INFINITY);
		const budgets = units.map((unit, index) => ({ budgetId: String(index), unit }));
		const step = amounts({ nanoUsd: 90n, tokens: 50n, outputTokens: 20n, steps: 1n });
		const held = () => units.map((_, index) => book.leaseOf(String(index), 0)?.reserved);
		const reservation = book.tryReserve(budgets, step, 1) ?? expect.fail("reserved");
		expect(held()).toEqual([90n, 30n, 20n, 1n]);
		expect(book.tryReserve(budgets, amounts({ tokens: 120n, outputTokens: 81n, steps: 1n }), 1)).toBeUndefined(); // output tokens alone are short
		expect([...book.settle(reservation, amounts({ nanoUsd: 60n, tokens: 140n, outputTokens: 5n, steps: 1n }))]).toEqual([["w1", 35n]]);
		expect(held()).toEqual([0n, 0n, 0n, 0n]);
		expect(units.map((_, index) => book.leaseOf(String(index), 0)?.spent)).toEqual([60n, 100n, 5n, 1n]);
		book.release(book.tryReserve(budgets.slice(2), step, 1) ?? expect.fail("reserved"));
		expect(book.leaseOf("3", 0)).toMatchObject({ idle: 99n, spent: 1n });
	});
});

describe("a lease granted ahead", () => {
	const AHEAD = { startsAtMs: 1_000, endsAtMs: 2_000 };
	function bookAtBoundary(): LeaseBook {
		const book = new LeaseBook();
		book.renew(0, 60_000);
		book.adopt("nano_usd", facts(), 990);
		book.adoptAhead("nano_usd", facts({ windowId: "12", leaseGranted: 40n }), AHEAD);
		return book;
	}
	const windowsOf = (reservation: ReturnType<LeaseBook["tryReserve"]>) => reservation?.leases.map((lease) => lease.windowId);

	it("is spent from once its window has begun, and not in the gap before", () => {
		const book = bookAtBoundary();
		expect(windowsOf(book.tryReserve(TEAM, money(10n), 989))).toEqual(["11"]);
		expect(book.tryReserve(TEAM, money(10n), 995)).toBeUndefined();
		expect(windowsOf(book.tryReserve(TEAM, money(40n), 1_000))).toEqual(["12"]);
		expect(book.tryReserve(TEAM, money(1n), 1_000)).toBeUndefined();
	});

	it("settles a call of the old window there", () => {
		const book = bookAtBoundary();
		const old = book.tryReserve(TEAM, money(10n), 900) ?? expect.fail("reserved");
		book.tryReserve(TEAM, money(10n), 1_000);
		book.settle(old, money(4n));
		expect(book.leaseOfWindow("11")?.spent).toBe(4n);
		expect(book.leaseOfWindow("12")?.spent).toBe(0n);
	});

	it("is current at once when PostgreSQL says that it has begun", () => {
		const book = bookAtBoundary();
		book.adopt("nano_usd", facts({ windowId: "12", leaseGranted: 40n }), 2_000);
		expect(windowsOf(book.tryReserve(TEAM, money(10n), 992))).toEqual(["12"]);
		expect(book.nextLeaseOf("1")).toBeUndefined();
	});

	it("stays current when a late reply speaks of the old window", () => {
		const book = bookAtBoundary();
		book.tryReserve(TEAM, money(10n), 1_000);
		book.adopt("nano_usd", facts({ leaseGranted: 60n }), 990);
		expect(windowsOf(book.tryReserve(TEAM, money(10n), 1_001))).toEqual(["12"]);
	});

	it("is not returned as unused before its time, and is once a change made it stale", () => {
		const book = bookAtBoundary();
		const idle = () => [book.leaseOfWindow("11")?.idle, book.leaseOfWindow("12")?.idle];
		book.returnUnneeded(900, 500);
		expect(idle()).toEqual([0n, 40n]);
		const next = book.nextLeaseOf("1") ?? expect.fail("a lease");
		next.isStale = true;
		book.returnUnneeded(900, 500);
		expect(idle()).toEqual([0n, 0n]);
	});
});

describe("money kept for an outage", () => {
	/** 50 idle, 20 of it kept. */
	function bookWithAllowance(): LeaseBook {
		const book = bookWith({});
		book.leaseOf("1", 0)?.keepAllowance(20n, 30n);
		return book;
	}

	it("is not for ordinary calls", () => {
		const book = bookWithAllowance();
		expect(book.tryReserve(TEAM, money(31n), 1)).toBeUndefined();
		expect(book.tryReserve(TEAM, money(30n), 1)).toBeDefined();
		expect(book.tryReserve(TEAM, money(1n), 1)).toBeUndefined();
	});

	it("is spent beside what is free while the lease lives, and alone once it has ended", () => {
		expect(bookWithAllowance().tryReserveWithAllowance(TEAM, money(50n), 59_999)).toBeDefined();
		const ended = bookWithAllowance();
		expect(ended.tryReserve(TEAM, money(1n), 60_000)).toBeUndefined();
		expect(ended.tryReserveWithAllowance(TEAM, money(21n), 60_000)).toBeUndefined();
		expect(ended.tryReserveWithAllowance(TEAM, money(20n), 60_000)).toBeDefined();
		expect(ended.tryReserveWithAllowance(TEAM, money(1n), 60_000)).toBeUndefined();
	});

	it("is as large as the rule says now, once a change made the lease stale", () => {
		const book = bookWithAllowance();
		const lease = book.leaseOf("1", 0) ?? expect.fail("a lease");
		lease.keepAllowance(5n, 30n);
		expect(lease.allowance).toBe(20n); // of several teams' wishes the largest
		lease.markStale();
		lease.keepAllowance(5n, 30n);
		expect(lease.allowance).toBe(5n);
	});

	it("takes back what a call did not cost", () => {
		const book = bookWithAllowance();
		const call = book.tryReserveWithAllowance(TEAM, money(20n), 60_000) ?? expect.fail("reserved");
		book.settle(call, money(5n));
		expect(book.tryReserveWithAllowance(TEAM, money(16n), 60_000)).toBeUndefined();
		const rest = book.tryReserveWithAllowance(TEAM, money(15n), 60_000) ?? expect.fail("reserved");
		book.release(rest);
		expect(book.leaseOf("1", 0)?.allowance).toBe(15n);
	});

	it("covers an overrun like other idle money", () => {
		const book = bookWithAllowance();
		const call = book.tryReserve(TEAM, money(30n), 1) ?? expect.fail("reserved");
		expect(book.settle(call, money(45n))).toEqual(new Map());
		expect(book.leaseOf("1", 0)).toMatchObject({ idle: 5n, allowance: 5n, free: 0n });
	});

	it("stays when the rest goes back unused, and goes back with it when others claim it or its window is over", () => {
		const book = bookWithAllowance();
		book.returnUnneeded(40_000, 30_000);
		expect(book.leaseOf("1", 0)).toMatchObject({ idle: 20n, allowance: 20n });
		book.leaseOf("1", 0)?.returnIdle();
		expect(book.leaseOf("1", 0)).toMatchObject({ idle: 0n, allowance: 0n, returned: 50n });
	});

	it("is never more than what a lookahead leaves, and not spent from a closed, changed or frozen window", () => {
		const book = bookWith({});
		book.leaseOf("1", 0)?.keepAllowance(100n, 45n);
		expect(book.leaseOf("1", 0)?.allowance).toBe(5n);
		expect(book.hasAllowance(60_000)).toBe(true);
		const lease = book.leaseOf("1", 0) ?? expect.fail("a lease");
		lease.isStale = true;
		expect(book.tryReserveWithAllowance(TEAM, money(1n), 1)).toBeUndefined();
		lease.isStale = false;
		book.close();
		expect(book.tryReserveWithAllowance(TEAM, money(1n), 1)).toBeUndefined();
		expect(book.hasAllowance(60_000)).toBe(false);
	});
});

describe("an observed window", () => {
	it("is spent from past its limit and its overrun, and says what would have been refused", () => {
		const book = bookWith({ isObserved: true, granted: 120n, leaseGranted: 60n, isOverrun: true });
		expect(book.tryReserve(TEAM, money(30n), 1)?.leases[0]?.isBeyondBound).toBe(false); // 100 - 120 + 60 - 30
		expect(book.tryReserve(TEAM, money(11n), 1)?.leases[0]?.isBeyondBound).toBe(true);
		expect(book.leaseOf("1", 0)?.isLow(1)).toBe(true);
	});

	it("gives back what is idle above the limit once it is enforced, and no more", () => {
		const book = bookWith({ isObserved: true, granted: 130n, leaseGranted: 60n });
		book.tryReserve(TEAM, money(20n), 1);
		book.adopt("nano_usd", facts({ granted: 130n, leaseGranted: 60n }), Number.POSITIVE_INFINITY);
		expect(book.leaseOf("1", 0)).toMatchObject({ returned: 30n, idle: 10n });
		book.adopt("nano_usd", facts({ granted: 130n, leaseGranted: 60n }), Number.POSITIVE_INFINITY);
		expect(book.leaseOf("1", 0)).toMatchObject({ returned: 30n, idle: 10n }); // on its way is given once
	});
});

describe("a degrade line", () => {
	const LINED = [{ budgetId: "1", unit: "nano_usd" as const, line: { place: 1, at: { basisPoints: 8000 } } }];

	it("holds back a call that it names and no other, also from the money kept for an outage", () => {
		const book = bookWith({ granted: 75n, leaseGranted: 30n });
		expect(book.tryReserve(LINED, money(36n), 1)).toBeUndefined(); // more than is leased
		expect(book.tryReserve(LINED, money(30n), 1)).toBeDefined(); // 80 - 75 + 30
		const near = bookWith({ granted: 95n, leaseGranted: 30n });
		expect(near.tryReserve(LINED, money(16n), 1)).toBeUndefined();
		expect(near.tryReserveWithAllowance(LINED, money(16n), 1)).toBeUndefined();
		expect(near.beyondLine(LINED, money(16n), 1)).toMatchObject({ budgetId: "1", place: 1, lineAmount: 80n, granted: 95n, idle: 30n, need: 16n });
		expect(near.tryReserve(LINED, money(15n), 1)).toBeDefined();
		expect(near.tryReserve(TEAM, money(15n), 1)).toBeDefined();
	});

	it("is not judged by a lease that has to be confirmed first", () => {
		const book = bookWith({ granted: 95n, leaseGranted: 30n });
		book.leaseOf("1", 0)?.markStale();
		expect(book.beyondLine(LINED, money(16n), 1)).toBeUndefined();
	});
});
