import { assert } from "../assert.ts";
import { type ThresholdAt, thresholdAmount } from "./scope.ts";

/** What a window counts in. Budgets that people set are in money or tokens; the other three belong to agent runs alone. */
export type Unit = "nano_usd" | "tokens" | "input_tokens" | "output_tokens" | "steps";

/** Facts of a window and its lease row as of the commit of a grant. */
export type LeaseFacts = {
	readonly budgetId: string;
	readonly windowId: string;
	/** window_event.seq at the commit: evidence for a refusal. */
	readonly seq: string;
	readonly limit: bigint;
	readonly stop: bigint;
	readonly granted: bigint;
	readonly isFrozen: boolean;
	readonly isOverrun: boolean;
	/** The window books everything and refuses nothing. */
	readonly isObserved: boolean;
	/** `stop` is a line that a person may approve. */
	readonly needsApproval: boolean;
	readonly leaseGranted: bigint;
	readonly leaseReturned: bigint;
	readonly leasePosted: bigint;
	readonly leaseOverrun: bigint;
	/** ISO 8601, null for lifetime windows. */
	readonly endsAt: string | null;
};

/**
 * The money (or tokens) one gateway holds in one budget window, in memory. Lease amounts are absolute and only
 * grow, like the lease row they mirror; `reserved` is what calls in flight hold inside the lease. Idle money is
 * what is left: granted − returned − spent − reserved. It is never negative, so no call can pass the lease, and the
 * lease can never pass the limit (I1).
 */
export class WindowLease {
	readonly budgetId: string;
	readonly windowId: string;
	readonly unit: Unit;
	/** On the gateway's monotonic clock; -Infinity when it had begun at the grant. */
	startsAtMs: number;
	/** The same, as of the latest answer; Infinity for lifetime windows. */
	endsAtMs: number;
	/** Latest facts; `limit`, `granted` … are as of the last grant. */
	facts: LeaseFacts;
	granted = 0n;
	returned: bigint;
	/** The part of `returned` that the authority confirmed. */
	returnedConfirmed: bigint;
	/** Settled here, flushed or not. */
	spent: bigint;
	reserved = 0n;
	/** Cost of calls here that no idle money covered, flushed or not. */
	overrun: bigint;
	/** No lookahead before this time: another gateway claims this window. */
	noLookaheadUntilMs = 0;
	/** A change was announced: spend nothing more from it until a grant confirmed it. */
	isStale = false;
	/** The authority's row shows less than was granted here: spend nothing until it shows as much again. */
	isForgotten = false;
	lastUsedMs: number;
	/** The newest reservation: what calls here need. */
	lastNeed = 0n;
	/** Part of the idle money that is kept for an outage of the authority (money-path §7), and what should be kept. */
	allowance = 0n;
	allowanceWanted = 0n;
	/** When to ask for the lease of the next window; undefined until its last minute. */
	askNextAtMs: number | undefined;
	private freeAtGrant = 0n;
	private burnMark: { spent: bigint; atMs: number } | undefined;

	/** A lease that is not known here, new or forgotten while it rested, begins at what its row says was returned and posted. */
	constructor(unit: Unit, facts: LeaseFacts, { startsAtMs, endsAtMs }: { readonly startsAtMs: number; readonly endsAtMs: number }) {
		this.budgetId = facts.budgetId;
		this.windowId = facts.windowId;
		this.unit = unit;
		this.startsAtMs = startsAtMs;
		this.endsAtMs = endsAtMs;
		this.lastUsedMs = Math.max(0, startsAtMs); // unused since it began, at the earliest
		this.facts = facts;
		this.returned = facts.leaseReturned;
		this.returnedConfirmed = facts.leaseReturned;
		this.spent = facts.leasePosted;
		this.overrun = facts.leaseOverrun;
	}

	get idle(): bigint {
		return this.granted - this.returned - this.spent - this.reserved;
	}

	/** Idle money for ordinary calls. */
	get free(): bigint {
		return this.idle - this.allowance;
	}

	/** Room under limit and threshold as of the last grant, and the idle money of this gateway. */
	get left(): bigint {
		const room = least(this.facts.limit, this.facts.stop) - this.facts.granted;
		return (room > 0n ? room : 0n) + this.idle;
	}

	/** The idle money here as the window's row of the last grant knew it: what is on its way back still counts as granted there. */
	get idleAtGrant(): bigint {
		return this.idle + this.returned - this.facts.leaseReturned;
	}

	/** Whether an amount more would leave everything spent and held, here and elsewhere, at or below a line. */
	fitsBelow(at: ThresholdAt, amount: bigint): boolean {
		return thresholdAmount(at, this.facts.limit) - this.facts.granted + this.idleAtGrant >= amount;
	}

	/** What an enforced budget would have refused: an amount just reserved of which not all was left. */
	get isBeyondBound(): boolean {
		return least(this.facts.limit, this.facts.stop) - this.facts.granted + this.idleAtGrant < 0n;
	}

	isSpendable(nowMs: number): boolean {
		return !this.isStale && !this.isForgotten && !this.facts.isFrozen && !this.isOverrun && nowMs < this.endsAtMs;
	}

	/** An overrun stops the window: one the authority knows and nobody cleared, or one it has not heard of yet. */
	get isOverrun(): boolean {
		return !this.facts.isObserved && (this.facts.isOverrun || this.overrun > this.facts.leaseOverrun);
	}

	/** Nothing of it is held here or on its way back: its row says all of it once every settle is flushed. */
	get isAtRest(): boolean {
		return this.reserved === 0n && this.idle === 0n && this.returned === this.returnedConfirmed && !this.isForgotten;
	}

	/**
	 * Adopts the row a grant replied with. Returns false when the row shows less than this gateway knows it was
	 * granted (a failover lost commits): nothing is spent here until its own amounts are presented and confirmed.
	 */
	adopt(facts: LeaseFacts): boolean {
		this.isForgotten = facts.leaseGranted < this.granted || facts.leaseReturned > this.returned;
		if (this.isForgotten) return false;
		this.facts = facts;
		this.granted = facts.leaseGranted;
		this.returnBeyondBound();
		this.freeAtGrant = this.free;
		this.isStale = false;
		return true;
	}

	/**
	 * Gives back what is idle above the limit: after it was lowered, or was only observed until now, what calls did not take
	 * yet is not theirs any more.
	 */
	private returnBeyondBound(): void {
		if (this.facts.isObserved) return;
		const onItsWay = this.returned - this.facts.leaseReturned;
		const beyond = least(this.idle, this.facts.granted - onItsWay - least(this.facts.limit, this.facts.stop));
		if (beyond <= 0n) return;
		this.returned += beyond;
		this.allowance = least(this.allowance, this.idle);
	}

	/** What was presented is confirmed by the next grant; until then the window is as good as changed. */
	wasPresented(): void {
		this.isForgotten = false;
		this.returnedConfirmed = this.returned;
		this.markStale();
	}

	/** A rule changed: who keeps how much for an outage is said anew. */
	markStale(): void {
		this.isStale = true;
		this.allowanceWanted = 0n;
	}

	reserve(amount: bigint, nowMs: number): void {
		assert(amount >= 0n && amount <= this.idle, "a reservation fits the lease");
		this.reserved += amount;
		this.lastNeed = amount;
		this.lastUsedMs = nowMs;
	}

	/**
	 * Keeps what is idle beyond a lookahead for an outage, up to `wanted`; what is kept already stays kept. In a budget that
	 * teams share the largest wish holds.
	 */
	keepAllowance(wanted: bigint, lookahead: bigint): void {
		if (wanted > this.allowanceWanted) this.allowanceWanted = wanted;
		const beyond = least(this.allowanceWanted, this.idle - lookahead);
		this.allowance = least(this.allowanceWanted, beyond > this.allowance ? beyond : this.allowance);
		this.freeAtGrant = this.free;
	}

	/** What a call is about to take, beyond `free` or all of it, comes out of the allowance. */
	useAllowance(amount: bigint): void {
		assert(amount <= this.allowance, "an allowance is never overdrawn");
		if (amount > 0n) this.allowance -= amount;
	}

	/** What a call that took from the allowance did not cost. */
	restoreAllowance(amount: bigint): void {
		if (amount > 0n) this.allowance = least(least(this.allowanceWanted, this.allowance + amount), this.idle);
	}

	/** Ends a reservation; `posted` is what is spent, at most the reservation plus idle money. */
	resolve(reserved: bigint, posted: bigint): void {
		assert(reserved <= this.reserved, "a reservation ends once");
		this.reserved -= reserved;
		assert(posted >= 0n && posted <= this.idle, "a settle never passes the lease");
		this.spent += posted;
		this.allowance = least(this.allowance, this.idle);
	}

	/** Down to half of what the last grant left free, while there may be more to have: time for a refill in the background. */
	isLow(nowMs: number): boolean {
		const mayHaveMore = this.facts.isObserved || this.facts.granted < this.facts.limit;
		return this.free * 2n < this.freeAtGrant && mayHaveMore && nowMs >= this.noLookaheadUntilMs;
	}

	/** What was spent per second since the last call of `takeBurn` (0 before the first). */
	burn(nowMs: number): bigint {
		const elapsedMs = this.burnMark ? Math.floor(nowMs - this.burnMark.atMs) : 0;
		return this.burnMark && elapsedMs >= 1 ? ((this.spent - this.burnMark.spent) * 1_000n) / BigInt(elapsedMs) : 0n;
	}

	takeBurn(nowMs: number): bigint {
		const burn = this.burn(nowMs);
		if (!this.burnMark || nowMs - this.burnMark.atMs >= 1) this.burnMark = { spent: this.spent, atMs: nowMs };
		return burn;
	}

	/** Gives all idle money back, the allowance with it. */
	returnIdle(): void {
		this.returned += this.idle;
		this.allowance = 0n;
	}

	/** Gives back what is free, and keeps the allowance. */
	returnFree(): void {
		this.returned += this.free;
	}
}

function least(left: bigint, right: bigint): bigint {
	return left < right ? left : right;
}
