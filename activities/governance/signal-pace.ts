/**
 * When signals may leave: at most SIGNALS_PER_SECOND in any second. Whatever else there is to tell leaves
 * some of them to crossings, which find a place at once.
 */
export const SIGNALS_PER_SECOND = 50;

const ORDINARY_SIGNALS_PER_SECOND = 40;

/** A little above a second: signals do not take equally long to arrive, and Temporal is to see no more either. */
const SPAN_MS = 1_005;

export class SignalPace {
	/** Times taken, ascending; the last SIGNALS_PER_SECOND of them. */
	private taken: number[] = [];

	/** Monotonic milliseconds, `nowMs` or later: when the next signal may leave. */
	freeAtMs(nowMs: number, isCrossing: boolean): number {
		const taken = this.taken.at(-(isCrossing ? SIGNALS_PER_SECOND : ORDINARY_SIGNALS_PER_SECOND));
		return Math.max(nowMs, this.taken.at(-1) ?? nowMs, taken === undefined ? nowMs : taken + SPAN_MS);
	}

	/** The same, and nobody else takes that place. */
	take(nowMs: number, isCrossing: boolean): number {
		const atMs = this.freeAtMs(nowMs, isCrossing);
		this.taken = [...this.taken.slice(1 - SIGNALS_PER_SECOND), atMs];
		return atMs;
	}
}
