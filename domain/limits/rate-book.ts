import { RateCounter } from "./rate-counter.ts";
import type { RateItem, RateReply, RateRequest } from "./rate-exchange.ts";
import { RatePermit } from "./rate-permit.ts";
import { type CompiledRate, type RateCaller, valueUnder } from "./rate-rules.ts";

/** Counters one gateway holds at most; each was used in the last minute, or is about to be forgotten. */
export const MAX_COUNTERS = 100_000;
/** Counters told in one exchange at most, besides those that calls wait for: grants share its connection. */
const MAX_ASKS = 100;
/** A share nobody uses is kept this long, or no longer than needed where counters are many. */
const UNUSED_MS = 5_000;
const UNUSED_IN_A_CROWD_MS = 1_000;
/** The idle part of all shares is at most the limit divided by this. */
const IDLE_PART = 10;

export type WaitingPermit = { readonly permit: RatePermit; readonly tokens: number };

/** An exchange under way: what was asked, and the counters it was asked for. */
export type PreparedExchange = { readonly request: RateRequest; readonly counters: readonly RateCounter[] };

type Needs = { readonly counters: readonly RateCounter[]; readonly rows: readonly (readonly number[])[] };

/**
 * Every rate that this gateway counts, and what it tells PostgreSQL of them. Pure: times are handed in, exchanges are carried out
 * elsewhere, one at a time. What is lowered is lowered here before PostgreSQL hears of it, and raised here after it has said so.
 */
export class RateBook {
	private readonly byRule = new Map<string, Map<string, RateCounter>>();
	private readonly byKey = new Map<string, RateCounter>();
	/** Their shares here may differ from those in PostgreSQL. */
	private readonly untold = new Set<RateCounter>();
	private readonly maxCounters: number;
	private live = 1;
	private seq = 0;

	constructor(maxCounters = MAX_COUNTERS) {
		this.maxCounters = maxCounters;
	}

	get size(): number {
		return this.byKey.size;
	}

	/** The rates a call meets; undefined when it meets none, "full" when there is no room to count another value. */
	open(rates: readonly CompiledRate[], caller: RateCaller, nowMs: number): RatePermit | "full" | undefined {
		const counters: RateCounter[] = [];
		const rules: CompiledRate[] = [];
		const values: string[] = [];
		for (const rate of rates) {
			const value = nowMs < rate.endsAtMs ? valueUnder(rate, caller) : null;
			if (value === null) continue;
			const counter = this.counterOf(rate, value);
			if (counter === undefined) return "full";
			counters.push(counter);
			rules.push(rate);
			values.push(value);
		}
		return counters.length === 0 ? undefined : new RatePermit(counters, rules, values);
	}

	/** Some counter of the call is half used up: the next exchange should bring more before anybody waits for it. */
	isLow(permit: RatePermit, nowMs: number): boolean {
		let isLow = false;
		for (const counter of permit.counters) {
			if (!counter.isLow(nowMs)) continue;
			this.untold.add(counter);
			isLow = true;
		}
		return isLow;
	}

	/**
	 * What to tell and ask now; undefined when there is nothing. Waiting calls come first. With `isTidy`, shares that were not needed since
	 * the last tidying go back, and counters that nobody used are forgotten.
	 */
	prepare(waiting: readonly WaitingPermit[], nowMs: number, { isTidy }: { readonly isTidy: boolean }): PreparedExchange | undefined {
		if (isTidy) this.tidy(nowMs);
		const needs = this.needsOf(waiting);
		const told = [...needs.counters];
		for (const counter of this.untold) {
			if (told.length >= MAX_ASKS) break;
			if (!needs.counters.includes(counter)) told.push(counter);
		}
		if (told.length === 0 && this.byKey.size === 0) return undefined;
		const asks = told.map((counter) => this.askFor(counter, needs, nowMs));
		const rows = needs.rows.map((row) => told.map((_, index) => row[index] ?? 0));
		this.seq += 1;
		return { request: { seq: this.seq, asks, needs: rows }, counters: told };
	}

	/** Takes what PostgreSQL said. */
	adopt({ counters }: PreparedExchange, reply: RateReply, nowMs: number): void {
		this.live = Math.max(1, reply.live);
		for (const [index, counter] of counters.entries()) {
			const item = reply.items[index];
			if (item === undefined) continue;
			counter.confirm(item, nowMs);
			this.untold.delete(counter);
		}
	}

	/** Gives others who are short what is idle here; after the calls that waited have taken what was raised for them. */
	heed(wanted: RateReply["wanted"], nowMs: number): void {
		for (const { counter: key, holders } of wanted) {
			const counter = this.byKey.get(key);
			if (counter === undefined) continue;
			counter.recall(holders, nowMs);
			this.release(counter, nowMs, false);
		}
	}

	/** The exchange failed: whether it was committed is not known, so all shares are told again. */
	abandon(): void {
		for (const counter of this.byKey.values()) if (counter.share > 0) this.untold.add(counter);
	}

	/** Before the gateway ends: whatever is not used goes back. */
	releaseAll(nowMs: number): void {
		for (const counter of this.byKey.values()) {
			counter.recall(Number.POSITIVE_INFINITY, nowMs);
			this.release(counter, nowMs, false);
		}
	}

	/** Shares were lowered here and PostgreSQL does not know yet. */
	get hasUntold(): boolean {
		return this.untold.size > 0;
	}

	/** What is in use of a counter, for tests and gauges. */
	usedOf(key: string, nowMs: number): number {
		return this.byKey.get(key)?.usedNow(nowMs) ?? 0;
	}

	/** All calls in flight that any rule counts. */
	inFlight(nowMs: number): number {
		let open = 0;
		for (const counter of this.byKey.values()) if (counter.isLevel) open += counter.usedNow(nowMs);
		return open;
	}

	private counterOf(rate: CompiledRate, value: string): RateCounter | undefined {
		let ofRule = this.byRule.get(rate.prefix);
		if (ofRule === undefined) {
			ofRule = new Map();
			this.byRule.set(rate.prefix, ofRule);
		}
		const known = ofRule.get(value);
		if (known !== undefined) {
			if (known.limit !== rate.limit) known.setLimit(rate.limit);
			return known;
		}
		if (this.byKey.size >= this.maxCounters) return undefined;
		const counter = new RateCounter(rate.prefix + value, rate.measure, rate.limit);
		ofRule.set(value, counter);
		this.byKey.set(counter.key, counter);
		return counter;
	}

	private tidy(nowMs: number): void {
		const unusedMs = this.byKey.size > this.maxCounters / 2 ? UNUSED_IN_A_CROWD_MS : UNUSED_MS;
		for (const [prefix, ofRule] of this.byRule) {
			for (const [value, counter] of ofRule) {
				const isUnused = counter.permits === 0 && nowMs - counter.takenAtMs > unusedMs && counter.usedNow(nowMs) === 0;
				if (!isUnused) this.release(counter, nowMs, true);
				else if (counter.share > 0) this.giveUp(counter, nowMs);
				else if (!this.untold.has(counter)) {
					ofRule.delete(value);
					this.byKey.delete(counter.key);
				}
			}
			if (ofRule.size === 0) this.byRule.delete(prefix);
		}
	}

	private release(counter: RateCounter, nowMs: number, isTidy: boolean): void {
		const before = counter.share;
		const after = counter.releaseShare(Math.floor(counter.limit / (IDLE_PART * this.live)), nowMs, isTidy);
		if (after !== before) this.untold.add(counter);
	}

	private giveUp(counter: RateCounter, nowMs: number): void {
		counter.share = counter.usedNow(nowMs);
		this.untold.add(counter);
	}

	/** The union of the waiting calls' counters, and what each call needs of them. */
	private needsOf(waiting: readonly WaitingPermit[]): Needs {
		const counters = [...new Set(waiting.flatMap(({ permit }) => permit.counters))];
		const rows = waiting.map(({ permit, tokens }) => counters.map((counter) => (permit.counters.includes(counter) ? permit.needOf(counter, tokens) : 0)));
		return { counters, rows };
	}

	private askFor(counter: RateCounter, needs: Needs, nowMs: number): RateRequest["asks"][number] {
		const share = counter.releaseShare(Number.POSITIVE_INFINITY, nowMs, false);
		const place = needs.counters.indexOf(counter);
		const largest = place < 0 ? 0 : Math.max(...needs.rows.map((row) => row[place] ?? 0));
		// Two seconds of what it spends, and one more of what is needed now.
		const lookahead = nowMs < counter.noLookaheadUntilMs ? 0 : Math.ceil(2 * counter.burn(nowMs) + largest);
		const { isLevel, key, limit } = counter;
		return { counter: key, isLevel, limit, share, idle: counter.idle(nowMs), lookahead, freesInMs: counter.freesInMs(nowMs) };
	}
}

/** Whether others hold enough idle that a call may wait for it to come back. */
export function mayBeRecalled(item: RateItem, { limit, need, idle }: { readonly limit: number; readonly need: number; readonly idle: number }): boolean {
	const free = Math.max(0, limit - item.share - item.others);
	return need <= idle + free + item.othersIdle;
}
