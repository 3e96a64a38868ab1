import { assert } from "../assert.ts";
import type { RateMeasure } from "./rate-rules.ts";
import { SpentMinute } from "./spent-minute.ts";

/** How long a call for room by others is heeded; longer than it takes them to ask again. */
const RECALL_MS = 2_000;
const NO_LOOKAHEAD_MS = 1_000;

/**
 * One limit as one gateway counts it: its share of the limit, and what it uses of that share. What is used are the calls in flight, or
 * what was spent in the last minute. All gateways' shares together are never above the limit, so neither is what they use.
 */
export class RateCounter {
	readonly key: string;
	readonly measure: RateMeasure;
	limit: number;
	share = 0;
	/** Calls that count here and have not ended: so long it is not forgotten. */
	permits = 0;
	/** When it was used last. */
	takenAtMs = Number.NEGATIVE_INFINITY;
	/** What the last exchange left free: half of it is time for the next. */
	idleAtExchange = 0;
	/** More is not asked for in the background until then: there was none. */
	noLookaheadUntilMs = 0;
	/** Calls that need as much are refused without asking until then. */
	private refusedNeed = Number.POSITIVE_INFINITY;
	private refusedUntilMs = 0;
	/** What all gateways together had taken when that was said. */
	refusedStoodAt = 0;
	private used = 0;
	/** The least that was free since the last tidying: so much was not needed. */
	private leastIdle = 0;
	private recalledTo = Number.POSITIVE_INFINITY;
	private recalledUntilMs = 0;
	/** The limit was lowered: nothing may be used before PostgreSQL has said how much of the share stays. */
	private isUnconfirmed = false;
	private readonly spent: SpentMinute | undefined;
	private burnSecond = 0;
	private burnNow = 0;
	private burnBefore = 0;

	constructor(key: string, measure: RateMeasure, limit: number) {
		this.key = key;
		this.measure = measure;
		this.limit = limit;
		this.spent = measure === "in_flight" ? undefined : new SpentMinute();
	}

	get isLevel(): boolean {
		return this.spent === undefined;
	}

	/** Of the share, not used. */
	idle(nowMs: number): number {
		this.age(nowMs);
		return Math.max(0, this.share - this.used);
	}

	usedNow(nowMs: number): number {
		this.age(nowMs);
		return this.used;
	}

	/** What a call may take without asking anybody; with `isServed`, what one may take for which the share was just raised, whoever is short. */
	room(nowMs: number, isServed = false): number {
		this.age(nowMs);
		if (this.isUnconfirmed) return 0;
		if (isServed) return this.share - this.used;
		return Math.min(this.share, nowMs < this.recalledUntilMs ? this.recalledTo : this.limit) - this.used;
	}

	take(amount: number, nowMs: number): void {
		this.used += amount;
		this.spent?.add(amount, nowMs);
		this.takenAtMs = nowMs;
		this.noteBurn(amount, nowMs);
		this.leastIdle = Math.min(this.leastIdle, Math.max(0, this.share - this.used));
	}

	/** Gives back part of what was taken at `takenAtMs`: a call that was not sent, one that used less than it might, or one that ended. */
	giveBack(amount: number, takenAtMs: number, nowMs: number): void {
		this.age(nowMs);
		const given = this.spent === undefined ? amount : this.spent.takeBack(amount, takenAtMs);
		assert(given <= this.used, "what is given back was taken");
		this.used -= given;
		this.refusedUntilMs = 0;
	}

	/** A change of the limit, in force from now on. */
	setLimit(limit: number): void {
		if (limit < this.limit) this.isUnconfirmed = true;
		this.limit = limit;
		this.refusedUntilMs = 0;
	}

	/** Others are short here: no more than a fair share is used again while they are. */
	recall(holders: number, nowMs: number): void {
		this.recalledTo = Math.floor(this.limit / Math.max(1, holders));
		this.recalledUntilMs = Math.max(this.recalledUntilMs, nowMs + RECALL_MS);
	}

	/** Lowers the share by what is not needed here, and returns it. What is used stays, also where it passed the share (a call took more than its bound). */
	releaseShare(keep: number, nowMs: number, isTidy: boolean): number {
		const idle = this.idle(nowMs);
		const isRecalled = nowMs < this.recalledUntilMs;
		if (this.isUnconfirmed) this.share = this.used;
		else if (isRecalled) this.share -= Math.max(0, idle - Math.min(this.burn(nowMs), Math.max(0, this.recalledTo - this.used)));
		else if (isTidy) this.share -= Math.max(0, Math.min(this.leastIdle, idle) - keep);
		this.share = Math.max(this.share, this.used);
		if (isTidy) this.leastIdle = this.idle(nowMs);
		return this.share;
	}

	/** What PostgreSQL says of the share after an exchange. */
	confirm(item: { readonly share: number; readonly others: number; readonly othersShort: number; readonly holders: number }, nowMs: number): void {
		this.isUnconfirmed = false;
		const hasRisen = item.share > this.share;
		this.share = item.share;
		this.idleAtExchange = this.idle(nowMs);
		if (!hasRisen) this.noLookaheadUntilMs = nowMs + NO_LOOKAHEAD_MS;
		const isOver = item.share + item.others > this.limit;
		if (this.recalledUntilMs === Number.POSITIVE_INFINITY) this.recalledUntilMs = 0;
		if (isOver || item.othersShort > 0) this.recall(item.holders, nowMs);
		if (isOver) this.recalledUntilMs = Number.POSITIVE_INFINITY; // until an exchange says otherwise
	}

	/** Half of what the last exchange left is used: time to ask for more, while there may be more to have. */
	isLow(nowMs: number): boolean {
		return (this.share - this.used) * 2 < this.idleAtExchange && this.share < this.limit && nowMs >= this.noLookaheadUntilMs;
	}

	/** What was taken in the last second or two. */
	burn(nowMs: number): number {
		this.noteBurn(0, nowMs);
		return this.burnNow + this.burnBefore;
	}

	/** A call that needed `need` beside the `stoodAt` of all gateways was refused with PostgreSQL's word. */
	rememberRefusal(need: number, stoodAt: number, untilMs: number): void {
		this.refusedNeed = need;
		this.refusedStoodAt = stoodAt;
		this.refusedUntilMs = untilMs;
	}

	isRefused(need: number, nowMs: number): boolean {
		return nowMs < this.refusedUntilMs && need >= this.refusedNeed;
	}

	/** Until something that is used here comes free by itself; null for calls in flight, or when nothing is used. */
	freesInMs(nowMs: number): number | null {
		return this.spent?.agesInMs(nowMs) ?? null;
	}

	private age(nowMs: number): void {
		const aged = this.spent?.age(nowMs) ?? 0;
		if (aged > 0) this.refusedUntilMs = 0;
		this.used -= aged;
	}

	private noteBurn(amount: number, nowMs: number): void {
		const second = Math.floor(nowMs / 1_000);
		if (second !== this.burnSecond) {
			this.burnBefore = second === this.burnSecond + 1 ? this.burnNow : 0;
			this.burnNow = 0;
			this.burnSecond = second;
		}
		this.burnNow += amount;
	}
}
