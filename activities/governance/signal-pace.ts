/**
 * When signals may leave: at most SIGNALS_PER_SECOND in any second. Crossings take what is free at once; whatever else there
 * is to tell leaves evenly, so that a crossing never finds a whole second's signals used up in one go.
 */
export const SIGNALS_PER_SECOND = 50;

/** A little above a second: what leaves evenly does not arrive evenly, and Temporal is to see no more either. */
const SPAN_MS = 1_005;
const EVENLY_APART_MS = SPAN_MS / SIGNALS_PER_SECOND;

export class SignalPace {
	/** Times taken, ascending; the last SIGNALS_PER_SECOND of them. */
	private taken: number[] = [];

	/** Monotonic milliseconds, `nowMs` or later: when the next signal may leave. */
	freeAtMs(nowMs: number, isCrossing: boolean): number {
		const last = this.taken.at(-1) ?? Number.NEGATIVE_INFINITY;
		const isFull = this.taken.length === SIGNALS_PER_SECOND;
		const oldest = isFull ? (this.taken[0] ?? 0) + SPAN_MS : Number.NEGATIVE_INFINITY;
		return Math.max(nowMs, oldest, isCrossing ? last : last + EVENLY_APART_MS);
	}

	/** The same, and nobody else takes that place. */
	take(nowMs: number, isCrossing: boolean): number {
		const atMs = this.freeAtMs(nowMs, isCrossing);
		this.taken = [...this.taken.slice(1 - SIGNALS_PER_SECOND), atMs];
		return atMs;
	}
}
