import { assert } from "../assert.ts";
import type { RateCounter } from "./rate-counter.ts";
import type { CompiledRate } from "./rate-rules.ts";

/** The rates one call meets, and what it has taken of them: one request, one place in flight, and tokens at its bound. Ends once. */
export class RatePermit {
	/** In the order of the team's rules; `rules` and `values` stand beside them. */
	readonly counters: readonly RateCounter[];
	readonly rules: readonly CompiledRate[];
	readonly values: readonly string[];
	private tokens = 0;
	private takenAtMs = 0;
	private isTaken = false;
	private isEnded = false;

	constructor(counters: readonly RateCounter[], rules: readonly CompiledRate[], values: readonly string[]) {
		this.counters = counters;
		this.rules = rules;
		this.values = values;
		for (const counter of counters) counter.permits++;
	}

	/** What this call still needs of a counter to be allowed up to `tokens`. */
	needOf(counter: RateCounter, tokens: number): number {
		if (counter.measure === "tokens") return Math.max(0, tokens - this.tokens);
		return this.isTaken ? 0 : 1;
	}

	/**
	 * Takes all or nothing. Returns the place of the first counter that has no room, or -1 when all is taken. `isServed`: PostgreSQL has just
	 * raised the shares for this call.
	 */
	tryTake(tokens: number, nowMs: number, isServed = false): number {
		const { counters } = this;
		for (let index = 0; index < counters.length; index++) {
			const counter = counters[index];
			if (counter === undefined) continue;
			const need = this.needOf(counter, tokens);
			if (need > 0 && need > counter.room(nowMs, isServed)) return index;
		}
		if (this.isTaken && tokens <= this.tokens) return -1;
		for (const counter of counters) this.takeOf(counter, tokens, nowMs);
		this.tokens = tokens;
		this.takenAtMs = nowMs;
		this.isTaken = true;
		return -1;
	}

	/**
	 * The call is over. One that was not sent gives everything back; one that was sent its place in flight, and the tokens it did not
	 * use (`tokensUsed` undefined: nobody knows, so they count). A second end is a broken invariant.
	 */
	end({ isSent, tokensUsed }: { readonly isSent: boolean; readonly tokensUsed: number | undefined }, nowMs: number): void {
		assert(!this.isEnded, "a permit ends once");
		this.isEnded = true;
		for (const counter of this.counters) counter.permits--;
		if (!this.isTaken) return;
		const usedTokens = isSent ? (tokensUsed ?? this.tokens) : 0;
		for (const counter of this.counters) {
			if (counter.measure === "tokens") {
				if (usedTokens < this.tokens) counter.giveBack(this.tokens - usedTokens, this.takenAtMs, nowMs);
				else if (usedTokens > this.tokens) counter.take(usedTokens - this.tokens, nowMs);
			} else if (counter.measure === "in_flight" || !isSent) counter.giveBack(1, this.takenAtMs, nowMs);
		}
	}

	/** A second try that needs more tokens takes them all now: they are given back, or age, as one. */
	private takeOf(counter: RateCounter, tokens: number, nowMs: number): void {
		if (counter.measure === "tokens") {
			if (this.tokens > 0) counter.giveBack(this.tokens, this.takenAtMs, nowMs);
			counter.take(tokens, nowMs);
		} else if (!this.isTaken) counter.take(1, nowMs);
	}
}
