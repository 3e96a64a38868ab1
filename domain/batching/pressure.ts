import type { NanoUsd } from "../money/nano-usd.ts";

/**
 * What keeps one team's batches from tying up all of its money, and an outage of a provider's batches from becoming a stampede in real time:
 * a cap of money in flight, and a rate of its own for the fallback. Where that rate cannot carry everything in time, what is worth least
 * gives way.
 */
export type InFlightCap = {
	/** null = no cap. */
	readonly capNanoUsd: NanoUsd | null;
	/** Held already for the team's items that have no outcome. */
	readonly inFlightNanoUsd: NanoUsd;
};

export type TakenWithinCap<Item> = {
	readonly taken: readonly Item[];
	/** For later, when others have ended. */
	readonly left: readonly Item[];
	/** Above the cap by themselves: waiting does not help. */
	readonly neverFit: readonly Item[];
};

/** In order; an item that does not fit is passed over for cheaper ones behind it. */
export function takeWithinCap<Item extends { readonly boundNanoUsd: NanoUsd }>(items: readonly Item[], cap: InFlightCap): TakenWithinCap<Item> {
	const { capNanoUsd, inFlightNanoUsd } = cap;
	if (capNanoUsd === null) return { taken: items, left: [], neverFit: [] };
	const taken: Item[] = [];
	const left: Item[] = [];
	const neverFit: Item[] = [];
	let sumNanoUsd = inFlightNanoUsd;
	for (const item of items) {
		if (item.boundNanoUsd > capNanoUsd) neverFit.push(item);
		else if (sumNanoUsd + item.boundNanoUsd > capNanoUsd) left.push(item);
		else {
			sumNanoUsd += item.boundNanoUsd;
			taken.push(item);
		}
	}
	return { taken, left, neverFit };
}

/** Plain data: how many items may go at once, as it stood at `atMs`. */
export type TokenBucket = { readonly tokens: number; readonly atMs: number };

/** Both above nothing. */
export type FallbackRate = { readonly itemsPerSecond: number; readonly burst: number };

/** Of one deployment, where nobody says otherwise. */
export const REAL_TIME_RATE: FallbackRate = { itemsPerSecond: 20, burst: 20 };
export const REAL_TIME_CONCURRENCY = 8;

export function fullBucket({ burst }: FallbackRate, atMs: number): TokenBucket {
	return { tokens: burst, atMs };
}

/** A clock that went back fills nothing. */
export function refill(bucket: TokenBucket, { itemsPerSecond, burst }: FallbackRate, nowMs: number): TokenBucket {
	if (nowMs <= bucket.atMs) return bucket;
	return { tokens: Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * itemsPerSecond) / 1_000), atMs: nowMs };
}

export type FallbackItem = {
	readonly deadlineMs: number | null;
	/** What it is worth to come in time. */
	readonly valueNanoUsd: NanoUsd;
};

export type FallbackPlan<Item> = {
	/** Now, in this order; one token each was taken from `bucket`. */
	readonly send: readonly Item[];
	/** In time, when there are tokens again; earliest deadline first. */
	readonly wait: readonly Item[];
	/** Of these there are too many for the rate: worth least, they come late, the most valuable first, when nothing else waits. */
	readonly shed: readonly Item[];
	readonly bucket: TokenBucket;
	/** When the next token is there; null: nothing waits. */
	readonly nextAtMs: number | null;
};

export type FallbackConditions = {
	readonly nowMs: number;
	readonly bucket: TokenBucket;
	readonly rate: FallbackRate;
	/** How long a call takes. */
	readonly realTimeP99Ms: number;
};

/**
 * Which of those that wait for the fallback go now. Every item takes one token, so to go by deadlines, and to give up the least valuable so
 * far whenever one would be late, loses the least value that can be lost.
 */
export function planFallback<Item extends FallbackItem>(waiting: readonly Item[], conditions: FallbackConditions): FallbackPlan<Item> {
	const { nowMs, rate, realTimeP99Ms } = conditions;
	const bucket = refill(conditions.bucket, rate, nowMs);
	const ready = Math.floor(bucket.tokens);
	const byDeadline = [...waiting].sort((left, right) => beginsBy(left) - beginsBy(right));
	const kept = new LeastFirst<Item>();
	const given = new Set<Item>();
	for (const item of byDeadline) {
		kept.push(item);
		const place = kept.size;
		const startsAtMs = place <= ready ? nowMs : nowMs + ((place - bucket.tokens) * 1_000) / rate.itemsPerSecond;
		if (startsAtMs + realTimeP99Ms > beginsBy(item)) given.add(kept.popLeast());
	}
	const inTime = byDeadline.filter((item) => !given.has(item));
	const shed = byDeadline.filter((item) => given.has(item)).sort((left, right) => compare(right.valueNanoUsd, left.valueNanoUsd));
	const send = [...inTime, ...shed].slice(0, ready);
	const shedNow = Math.max(0, send.length - inTime.length);
	const isAnyLeft = waiting.length > send.length;
	return {
		send,
		wait: inTime.slice(send.length),
		shed: shed.slice(shedNow),
		bucket: { ...bucket, tokens: bucket.tokens - send.length },
		nextAtMs: isAnyLeft ? nowMs + Math.max(1, Math.ceil(((1 - (bucket.tokens - send.length)) * 1_000) / rate.itemsPerSecond)) : null,
	};
}

function beginsBy({ deadlineMs }: FallbackItem): number {
	return deadlineMs ?? Number.POSITIVE_INFINITY;
}

function compare(left: NanoUsd, right: NanoUsd): number {
	return left < right ? -1 : left > right ? 1 : 0;
}

/** A binary heap by value. */
class LeastFirst<Item extends FallbackItem> {
	readonly #items: Item[] = [];

	get size(): number {
		return this.#items.length;
	}

	push(item: Item): void {
		let at = this.#items.push(item) - 1;
		while (at > 0 && this.#isLess(at, (at - 1) >> 1)) {
			this.#swap(at, (at - 1) >> 1);
			at = (at - 1) >> 1;
		}
	}

	/** Of a heap that is not empty. */
	popLeast(): Item {
		this.#swap(0, this.#items.length - 1);
		const least = this.#items.pop() as Item;
		let at = 0;
		for (;;) {
			const left = 2 * at + 1;
			const lesser = this.#isLess(left + 1, left) ? left + 1 : left;
			if (!this.#isLess(lesser, at)) return least;
			this.#swap(at, lesser);
			at = lesser;
		}
	}

	/** A place beyond the end is never less. */
	#isLess(one: number, other: number): boolean {
		const [left, right] = [this.#items[one], this.#items[other]];
		return left !== undefined && right !== undefined && left.valueNanoUsd < right.valueNanoUsd;
	}

	#swap(one: number, other: number): void {
		const [left, right] = [this.#items[one], this.#items[other]];
		if (left === undefined || right === undefined) return;
		this.#items[one] = right;
		this.#items[other] = left;
	}
}
