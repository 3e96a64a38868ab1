import fc from "fast-check";
import { expect, it } from "vitest";
import { LeaseBook, type Reservation } from "#domain/budget/lease-book.ts";
import type { LeaseFacts } from "#domain/budget/window-lease.ts";
import { amounts } from "#test/support/amounts.ts";

/**
 * One gateway and its lease row. Its lease may be forgotten while it rests and adopted again, at random between reservations,
 * settles, flushes and returns: what it believes to be idle is never more than what its row, less what is not flushed, says.
 */
const BUDGET = [{ budgetId: "1", unit: "nano_usd" as const }];

type Row = { granted: bigint; returned: bigint; posted: bigint; overrun: bigint };

const amount = fc.bigInt({ min: 0n, max: 40n });
const step = fc.oneof(
	fc.record({ kind: fc.constant("grant"), amount }),
	fc.record({ kind: fc.constant("reserve"), amount }),
	fc.record({ kind: fc.constant("settle"), amount }),
	...(["release", "flush", "return", "heartbeat", "forget", "rest"] as const).map((kind) => fc.record({ kind: fc.constant(kind) })),
);
type Step = { kind: string; amount?: bigint };

class Gateway {
	readonly book = new LeaseBook();
	readonly row: Row = { granted: 0n, returned: 0n, posted: 0n, overrun: 0n };
	forgotten = 0;
	adoptedAgain = 0;
	private readonly open: Reservation[] = [];
	private unflushed: { posted: bigint; overrun: bigint }[] = [];
	private settled = 0n;

	constructor() {
		this.book.renew(0, Number.POSITIVE_INFINITY);
	}

	take({ kind, amount: some = 0n }: Step): void {
		const lease = this.book.leaseOf("1", 0);
		if (kind === "grant") return this.grant(some);
		if (kind === "reserve") this.open.push(...[this.book.tryReserve(BUDGET, amounts({ nanoUsd: some }), 1)].filter((made) => made !== undefined));
		if (kind === "settle" || kind === "release") this.end(this.open.shift(), kind === "settle" ? some : 0n);
		if (kind === "flush") this.flush();
		if (kind === "return") lease?.returnIdle();
		if (kind === "heartbeat" && lease) this.giveBack(lease.returned);
		if (kind === "forget") this.forget();
		if (kind === "rest") for (const each of ["return", "flush", "heartbeat", "forget"]) this.take({ kind: each });
	}

	check(): void {
		const { granted, returned, posted } = this.row;
		const pending = this.unflushed.reduce((sum, row) => sum + row.posted, 0n);
		const lease = this.book.leaseOf("1", 0);
		const held = (lease?.idle ?? 0n) + (lease?.reserved ?? 0n);
		expect(held).toBeLessThanOrEqual(granted - returned - posted - pending);
		expect(lease?.idle ?? 0n).toBeGreaterThanOrEqual(0n);
		expect(this.settled).toBeLessThanOrEqual(granted - returned);
	}

	/** As the authority grants: what a gateway knows nothing of, its row says; the money is the row's. */
	private grant(more: bigint): void {
		const isKnown = this.book.leaseOf("1", 0) !== undefined;
		this.row.granted += more;
		expect(this.book.adopt("nano_usd", this.facts(), Number.POSITIVE_INFINITY)).toBe(true);
		if (!isKnown && this.forgotten > 0) this.adoptedAgain++;
	}

	private end(reservation: Reservation | undefined, cost: bigint): void {
		if (!reservation) return;
		const overrun = this.book.settle(reservation, amounts({ nanoUsd: cost })).get("11") ?? 0n;
		this.unflushed.push({ posted: cost - overrun, overrun });
		this.settled += cost - overrun;
	}

	private flush(): void {
		for (const { posted, overrun } of this.unflushed) Object.assign(this.row, { posted: this.row.posted + posted, overrun: this.row.overrun + overrun });
		this.unflushed = [];
	}

	/** "Return to", as the authority takes it: never into what is posted. */
	private giveBack(returnTo: bigint): void {
		const most = this.row.granted - this.row.posted;
		const returned = returnTo < most ? returnTo : most;
		if (returned > this.row.returned) this.row.returned = returned;
		const lease = this.book.leaseOf("1", 0);
		if (lease) lease.returnedConfirmed = returnTo;
	}

	private forget(): void {
		if (this.unflushed.length === 0 && this.book.leaseOf("1", 0) !== undefined) this.forgotten += this.book.forgetResting(new Set(["1"])).length;
	}

	private facts(): LeaseFacts {
		const { granted, returned, posted, overrun } = this.row;
		return {
			...{ budgetId: "1", windowId: "11", seq: "1", limit: 10_000n, stop: 10_000n, granted: granted - returned, isFrozen: false, isOverrun: false },
			...{ isObserved: false, needsApproval: false, leaseGranted: granted, leaseReturned: returned, leasePosted: posted, leaseOverrun: overrun, endsAt: null },
		};
	}
}

it("a lease that is forgotten and adopted again never believes in more idle money than its row has", () => {
	const seen = { forgotten: 0, adoptedAgain: 0 };
	fc.assert(
		fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
			const gateway = new Gateway();
			for (const each of steps) {
				gateway.take(each);
				gateway.check();
			}
			seen.forgotten += gateway.forgotten;
			seen.adoptedAgain += gateway.adoptedAgain;
		}),
		{ numRuns: 1_000 },
	);
	// Histories in which nothing is forgotten prove nothing.
	expect(seen.forgotten).toBeGreaterThan(300);
	expect(seen.adoptedAgain).toBeGreaterThan(300);
});
