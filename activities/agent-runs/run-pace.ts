/**
 * When a run's workflow may be told: at most SIGNALS_PER_SECOND in any second, and of these at most STARTS_PER_SECOND to runs that have no
 * workflow yet, so that a storm of new runs leaves places to those that are held.
 */
export const SIGNALS_PER_SECOND = 50;
export const STARTS_PER_SECOND = 20;

/** A little above a second: signals do not take equally long to arrive, and Temporal is to see no more either. */
const SPAN_MS = 1_005;

export class RunPace {
	/** Times taken, ascending; the last ones of each. */
	private signals: number[] = [];
	private starts: number[] = [];

	/** Monotonic milliseconds, `nowMs` or later: when the next one may leave. */
	freeAtMs(nowMs: number, isStart: boolean): number {
		const signal = freeAfter(this.signals, SIGNALS_PER_SECOND);
		const start = isStart ? freeAfter(this.starts, STARTS_PER_SECOND) : nowMs;
		return Math.max(nowMs, this.signals.at(-1) ?? nowMs, signal, start);
	}

	/** The same, and nobody else takes that place. */
	take(nowMs: number, isStart: boolean): number {
		const atMs = this.freeAtMs(nowMs, isStart);
		this.signals = [...this.signals.slice(1 - SIGNALS_PER_SECOND), atMs];
		if (isStart) this.starts = [...this.starts.slice(1 - STARTS_PER_SECOND), atMs];
		return atMs;
	}
}

function freeAfter(taken: readonly number[], perSecond: number): number {
	const first = taken.at(-perSecond);
	return first === undefined ? Number.NEGATIVE_INFINITY : first + SPAN_MS;
}
