/**
 * When a workflow may be told: at most SIGNALS_PER_SECOND in any second, and of these at most STARTS_PER_SECOND that may have to be started, so
 * that a storm of new ones leaves places to those that run.
 */
export const SIGNALS_PER_SECOND = 50;
export const STARTS_PER_SECOND = 20;

/** A little above a second, as clocks tick. */
const SPAN_MS = 1_005;

/** A place is taken from when a signal leaves until a second after its answer is there: in between it arrives, at a time nobody here knows. */
type Place = { freeAtMs: number };

export class TellPace {
	private signals: Place[] = [];
	private starts: Place[] = [];

	/** Monotonic milliseconds, `nowMs` or later: when the next one may leave; infinite while that depends on answers. */
	freeAtMs(nowMs: number, isStart: boolean): number {
		this.signals = this.signals.filter(({ freeAtMs }) => freeAtMs > nowMs);
		this.starts = this.starts.filter(({ freeAtMs }) => freeAtMs > nowMs);
		return Math.max(nowMs, nextFree(this.signals, SIGNALS_PER_SECOND), isStart ? nextFree(this.starts, STARTS_PER_SECOND) : nowMs);
	}

	/** Takes a place that is free now. Returns what to call, with the time, when the answer is there. */
	take(isStart: boolean): (nowMs: number) => void {
		const place: Place = { freeAtMs: Number.POSITIVE_INFINITY };
		this.signals.push(place);
		if (isStart) this.starts.push(place);
		return (nowMs) => {
			place.freeAtMs = nowMs + SPAN_MS;
		};
	}
}

function nextFree(places: readonly Place[], most: number): number {
	if (places.length < most) return Number.NEGATIVE_INFINITY;
	const ascending = places.map(({ freeAtMs }) => freeAtMs).sort((left, right) => left - right);
	return ascending[places.length - most] ?? Number.NEGATIVE_INFINITY;
}
