import { type FallbackRate, fullBucket, REAL_TIME_CONCURRENCY, REAL_TIME_RATE, type TokenBucket } from "#domain/batching/pressure.ts";

/**
 * How quickly the items of one deployment are called, in this process: a bucket, and calls at a time. A provider that has too much to do is
 * left alone for as long as it says, and then gets half as much; each answer that comes gives a tenth of the whole back.
 */

/** Where the provider does not say for how long. */
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 60_000;
const SLOWEST_PER_SECOND = 1;
const RECOVERY_SHARE = 10;

export type PaceOptions = { readonly rate?: FallbackRate; readonly concurrency?: number };

export class RealTimePace {
	readonly concurrency: number;
	bucket: TokenBucket;
	/** Calls of ours that are under way. */
	underWay = 0;
	readonly #full: FallbackRate;
	#perSecond: number;
	#pausedUntilMs = 0;
	#refusals = 0;

	constructor({ rate = REAL_TIME_RATE, concurrency = REAL_TIME_CONCURRENCY }: PaceOptions, nowMs: number) {
		this.#full = rate;
		this.concurrency = concurrency;
		this.#perSecond = rate.itemsPerSecond;
		this.bucket = fullBucket(rate, nowMs);
	}

	get rate(): FallbackRate {
		return { itemsPerSecond: this.#perSecond, burst: Math.max(1, Math.min(this.#full.burst, Math.floor(this.#perSecond))) };
	}

	/** Nothing is sent before; 0: now. */
	pausedForMs(nowMs: number): number {
		return Math.max(0, this.#pausedUntilMs - nowMs);
	}

	/** Of several refusals at once the first alone slows it down. */
	refused(nowMs: number, retryAfterMs: number | null): void {
		if (this.pausedForMs(nowMs) === 0) {
			this.#refusals++;
			this.#perSecond = Math.max(SLOWEST_PER_SECOND, this.#perSecond / 2);
			this.bucket = { tokens: 1, atMs: nowMs };
		}
		const ownMs = Math.min(PAUSE_MS * 2 ** Math.min(this.#refusals - 1, 10), PAUSE_MS_MAX);
		this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + (retryAfterMs ?? ownMs));
	}

	answered(): void {
		this.#refusals = 0;
		const { itemsPerSecond } = this.#full;
		this.#perSecond = Math.min(itemsPerSecond, this.#perSecond + itemsPerSecond / RECOVERY_SHARE);
	}
}

/** One for each deployment; there are as many as are configured. */
export class RealTimePaces {
	readonly #paces = new Map<string, RealTimePace>();
	readonly #options: PaceOptions;

	constructor(options: PaceOptions = {}) {
		this.#options = options;
	}

	of(deployment: string, nowMs: number): RealTimePace {
		const known = this.#paces.get(deployment);
		if (known !== undefined) return known;
		const pace = new RealTimePace(this.#options, nowMs);
		this.#paces.set(deployment, pace);
		return pace;
	}
}
