import type { BeyondLine, LineAhead } from "./degrade.ts";
import type { BudgetSelector } from "./match.ts";
import { thresholdAmount } from "./scope.ts";
import { type LeaseFacts, type Unit, WindowLease } from "./window-lease.ts";

/**
 * Every lease one gateway holds, and the reserve / settle / release of calls inside them. Pure: time comes in as
 * monotonic milliseconds. Reserving is all or none over the windows of a call; nothing here waits.
 */
export type MatchedBudget = {
	readonly budgetId: string;
	readonly unit: Unit;
	/** "run": the ceiling of an agent run, which keeps nothing for an outage. */
	readonly dimension?: BudgetSelector["dimension"];
	/** The degrade line this call may not pass, if any. */
	readonly line?: LineAhead;
};

/** What a call takes in each unit. Input tokens are `tokens` less `outputTokens`. */
export type Amounts = {
	readonly nanoUsd: bigint;
	readonly tokens: bigint;
	/** Of a step of an agent run; 0 for any other call, which meets no window that counts them. */
	readonly outputTokens: bigint;
	/** 1 for a step of an agent run, else 0. */
	readonly steps: bigint;
};

export type Reservation = {
	readonly leases: readonly WindowLease[];
	readonly amounts: Amounts;
	/** Some of it came out of the money kept for an outage. */
	readonly isOfAllowance: boolean;
};

export function amountIn(unit: Unit, amounts: Amounts): bigint {
	switch (unit) {
		case "nano_usd":
			return amounts.nanoUsd;
		case "tokens":
			return amounts.tokens;
		case "input_tokens":
			return amounts.tokens - amounts.outputTokens;
		case "output_tokens":
			return amounts.outputTokens;
		case "steps":
			return amounts.steps;
	}
}

/** How long beyond the end of the lease money kept for an outage may be spent. */
export const ALLOWANCE_TTL_MS = 900_000;

const NO_OVERRUNS: ReadonlyMap<string, bigint> = new Map();

export class LeaseBook {
	private readonly current = new Map<string, WindowLease>();
	/** Leases of windows that have not begun, by budget. */
	private readonly next = new Map<string, WindowLease>();
	private readonly byWindow = new Map<string, WindowLease>();
	/** The lease of this epoch: renewed by every answer of PostgreSQL, counted from before asking. */
	private liveUntilMs = 0;
	/** Fenced: nothing may be spent any more, not even an allowance. */
	private isClosed = false;

	renew(askedAtMs: number, leaseTtlMs: number): void {
		this.liveUntilMs = Math.max(this.liveUntilMs, askedAtMs + leaseTtlMs);
	}

	/** No live lease (authority away for too long, or fenced): nothing may be spent. */
	isLive(nowMs: number): boolean {
		return !this.isClosed && nowMs < this.liveUntilMs;
	}

	/** For ever: a later epoch of this gateway exists. */
	close(): void {
		this.isClosed = true;
	}

	/** The lease of the budget's current window; one that was granted ahead takes its place when its time has come. */
	leaseOf(budgetId: string, nowMs: number): WindowLease | undefined {
		const lease = this.current.get(budgetId);
		if (lease && nowMs < lease.endsAtMs) return lease;
		const next = this.next.get(budgetId);
		if (!next || nowMs < next.startsAtMs) return lease;
		this.current.set(budgetId, next);
		this.next.delete(budgetId);
		return next;
	}

	/** The lease granted ahead in the budget's next window. */
	nextLeaseOf(budgetId: string): WindowLease | undefined {
		return this.next.get(budgetId);
	}

	leaseOfWindow(windowId: string): WindowLease | undefined {
		return this.byWindow.get(windowId);
	}

	leases(): IterableIterator<WindowLease> {
		return this.byWindow.values();
	}

	currentLeases(): IterableIterator<WindowLease> {
		return this.current.values();
	}

	/** Adopts a grant's row in the current window; false when it shows less than this gateway knows (see WindowLease.adopt). */
	adopt(unit: Unit, facts: LeaseFacts, endsAtMs: number): boolean {
		const lease = this.leaseFor(unit, facts, { startsAtMs: Number.NEGATIVE_INFINITY, endsAtMs });
		lease.startsAtMs = Number.NEGATIVE_INFINITY; // granted ahead or not: PostgreSQL says that it has begun
		lease.endsAtMs = endsAtMs; // and, by its clock now, when it ends
		const present = this.current.get(facts.budgetId);
		// A reply that crossed the boundary speaks of a window whose successor is spent from already.
		if (!present || lease.endsAtMs >= present.endsAtMs) this.current.set(facts.budgetId, lease);
		if (this.next.get(facts.budgetId) === lease) this.next.delete(facts.budgetId);
		return lease.adopt(facts);
	}

	/** Adopts a row granted ahead: spent from once its window has begun. */
	adoptAhead(unit: Unit, facts: LeaseFacts, times: { readonly startsAtMs: number; readonly endsAtMs: number }): boolean {
		const lease = this.leaseFor(unit, facts, times);
		if (this.current.get(facts.budgetId) !== lease) this.next.set(facts.budgetId, lease);
		return lease.adopt(facts);
	}

	private leaseFor(unit: Unit, facts: LeaseFacts, times: { readonly startsAtMs: number; readonly endsAtMs: number }): WindowLease {
		let lease = this.byWindow.get(facts.windowId);
		if (!lease) {
			lease = new WindowLease(unit, facts, times);
			this.byWindow.set(facts.windowId, lease);
		}
		return lease;
	}

	/** Reserves in every matching budget, or in none. */
	tryReserve(budgets: readonly MatchedBudget[], amounts: Amounts, nowMs: number): Reservation | undefined {
		if (!this.isLive(nowMs)) return undefined;
		const leases: WindowLease[] = [];
		for (const { budgetId, unit, line } of budgets) {
			const lease = this.leaseOf(budgetId, nowMs);
			if (!lease?.isSpendable(nowMs) || lease.free < amountIn(unit, amounts)) return undefined;
			if (isBeyond(lease, line, amountIn(unit, amounts))) return undefined;
			leases.push(lease);
		}
		for (const lease of leases) lease.reserve(amountIn(lease.unit, amounts), nowMs);
		return { leases, amounts, isOfAllowance: false };
	}

	/** The degrade line the call would pass, as far as leases that may be spent from tell. */
	beyondLine(budgets: readonly MatchedBudget[], amounts: Amounts, nowMs: number): BeyondLine | undefined {
		for (const { budgetId, unit, line } of budgets) {
			if (line === undefined) continue;
			const lease = this.leaseOf(budgetId, nowMs);
			const need = amountIn(unit, amounts);
			if (!lease?.isSpendable(nowMs) || !isBeyond(lease, line, need)) continue;
			const { windowId, seq, granted, limit } = lease.facts;
			return { budgetId, place: line.place, windowId, seq, lineAmount: thresholdAmount(line.at, limit), granted, idle: lease.idleAtGrant, need };
		}
		return undefined;
	}

	/**
	 * The same with the money kept for an outage: beside what is free while the lease lives, alone once it has ended.
	 * For calls the authority does not answer for, or has no more money for.
	 */
	tryReserveWithAllowance(budgets: readonly MatchedBudget[], amounts: Amounts, nowMs: number): Reservation | undefined {
		if (!this.isAllowanceLive(nowMs)) return undefined;
		const isLive = this.isLive(nowMs);
		const leases: WindowLease[] = [];
		for (const { budgetId, unit, line } of budgets) {
			const lease = this.leaseOf(budgetId, nowMs);
			if (!lease?.isSpendable(nowMs) || (isLive ? lease.idle : lease.allowance) < amountIn(unit, amounts)) return undefined;
			if (isBeyond(lease, line, amountIn(unit, amounts))) return undefined;
			leases.push(lease);
		}
		for (const lease of leases) {
			const amount = amountIn(lease.unit, amounts);
			lease.useAllowance(isLive ? amount - lease.free : amount);
			lease.reserve(amount, nowMs);
		}
		return { leases, amounts, isOfAllowance: true };
	}

	/** It has a life of its own beyond the lease's: as long as nobody can say that a key or a limit still stands, it cannot be spent for ever. */
	private isAllowanceLive(nowMs: number): boolean {
		return !this.isClosed && nowMs < this.liveUntilMs + ALLOWANCE_TTL_MS;
	}

	/** Whether calls of some budget can still be served once the lease has ended. */
	hasAllowance(nowMs: number): boolean {
		if (!this.isAllowanceLive(nowMs)) return false;
		for (const lease of this.current.values()) if (lease.allowance > 0n && lease.isSpendable(nowMs)) return true;
		return false;
	}

	/**
	 * Posts a cost, which may be above the reservation: in each window the excess is taken from idle money, and what
	 * that does not cover is the window's overrun (money-path §2), in its own unit. Empty when all was covered.
	 */
	settle(reservation: Reservation, cost: Amounts): ReadonlyMap<string, bigint> {
		let overruns: Map<string, bigint> | undefined;
		for (const lease of reservation.leases) {
			const reserved = amountIn(lease.unit, reservation.amounts);
			const wanted = amountIn(lease.unit, cost);
			const covered = reserved + lease.idle;
			const posted = covered < wanted ? covered : wanted;
			lease.resolve(reserved, posted);
			if (reservation.isOfAllowance) lease.restoreAllowance(reserved - posted);
			if (posted === wanted) continue;
			lease.overrun += wanted - posted;
			overruns ??= new Map();
			overruns.set(lease.windowId, wanted - posted);
		}
		return overruns ?? NO_OVERRUNS;
	}

	release(reservation: Reservation): void {
		for (const lease of reservation.leases) {
			const reserved = amountIn(lease.unit, reservation.amounts);
			lease.resolve(reserved, 0n);
			if (reservation.isOfAllowance) lease.restoreAllowance(reserved);
		}
	}

	/** Gives back the idle money of windows that ended or changed, and what is free where nothing was used for `unusedMs`. */
	returnUnneeded(nowMs: number, unusedMs: number): void {
		for (const lease of this.byWindow.values()) {
			if (nowMs >= lease.endsAtMs || lease.isStale) lease.returnIdle();
			else if (nowMs - lease.lastUsedMs > unusedMs) lease.returnFree();
		}
	}

	/**
	 * Forgets the leases of agent runs that rest, those of them that are at rest themselves; their rows are adopted again when the
	 * run goes on. Only where every settle in these budgets is flushed, those of other runs that meet them among them, and no grant is
	 * in flight: its answer would speak of the time before a flush, and what it leaves out would be spent twice.
	 * Answers the budgets of which no lease is held, those that had none among them.
	 */
	forgetResting(budgetIds: ReadonlySet<string>): readonly string[] {
		const forgotten: string[] = [];
		for (const budgetId of budgetIds) {
			const lease = this.current.get(budgetId);
			if (lease !== undefined && !(lease.isAtRest && this.next.get(budgetId) === undefined)) continue;
			if (lease !== undefined) this.byWindow.delete(lease.windowId);
			this.current.delete(budgetId);
			forgotten.push(budgetId);
		}
		return forgotten;
	}

	/** Forgets ended windows that hold nothing any more. */
	forgetEnded(nowMs: number): void {
		for (const [windowId, lease] of this.byWindow) {
			if (nowMs < lease.endsAtMs + 60_000 || lease.reserved > 0n || lease.idle > 0n) continue;
			this.byWindow.delete(windowId);
			for (const place of [this.current, this.next]) if (place.get(lease.budgetId) === lease) place.delete(lease.budgetId);
		}
	}
}

function isBeyond(lease: WindowLease, line: LineAhead | undefined, amount: bigint): boolean {
	return line !== undefined && !lease.fitsBelow(line.at, amount);
}
