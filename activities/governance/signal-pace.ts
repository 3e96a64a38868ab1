/**
 * When signals may leave: at most SIGNALS_PER_SECOND in any second. Whatever else there is to tell leaves some of them to
 * crossings, which find a place at once, and as many as there were lately: those that cross in one second are followed by
 * others in the next, and a place that went to something else meanwhile is made up for by nothing.
 */
export const SIGNALS_PER_SECOND = 50;

const ORDINARY_SIGNALS_PER_SECOND = 40;

/** A little above a second: signals do not take equally long to arrive, and Temporal is to see no more either. */
const SPAN_MS = 1_005;

type Taken = { readonly atMs: number; readonly isCrossing: boolean };

export class SignalPace {
	/** Places taken within the last two spans, ascending. */
	private taken: Taken[] = [];

	/** Monotonic milliseconds, `nowMs` or later: when the next signal may leave. */
	freeAtMs(nowMs: number, isCrossing: boolean): number {
		const { taken } = this;
		const soonestMs = Math.max(nowMs, taken.at(-1)?.atMs ?? nowMs);
		const fiftieth = taken.at(-SIGNALS_PER_SECOND);
		const freeMs = fiftieth === undefined ? soonestMs : Math.max(soonestMs, fiftieth.atMs + SPAN_MS);
		if (isCrossing) return freeMs;
		// There are more places only when one that was taken is a span old, or a crossing two.
		const times = [freeMs, ...taken.flatMap(({ atMs }) => [atMs + SPAN_MS, atMs + 2 * SPAN_MS]).filter((atMs) => atMs > freeMs)];
		return times.toSorted((left, right) => left - right).find((atMs) => this.isFreeForOthers(atMs)) ?? freeMs;
	}

	/** The same, and nobody else takes that place. */
	take(nowMs: number, isCrossing: boolean): number {
		const atMs = this.freeAtMs(nowMs, isCrossing);
		this.taken = [...this.taken.filter((taken) => taken.atMs > atMs - 2 * SPAN_MS), { atMs, isCrossing }];
		return atMs;
	}

	private isFreeForOthers(atMs: number): boolean {
		const now = this.taken.filter((taken) => taken.atMs > atMs - SPAN_MS);
		const crossed = now.filter(({ isCrossing }) => isCrossing).length;
		const crossedBefore = this.taken.filter((taken) => taken.isCrossing && taken.atMs > atMs - 2 * SPAN_MS && taken.atMs <= atMs - SPAN_MS).length;
		return now.length - crossed + Math.max(crossed, crossedBefore) < ORDINARY_SIGNALS_PER_SECOND;
	}
}
