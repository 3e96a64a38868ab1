import type { LiveRun } from "./live-run.ts";

/**
 * Turns of the event loop until a request is written that waits for nothing: what is journaled in one is handed over at its end, and undici
 * looks for the end of a connection that rested before it writes to it, in the turn after.
 */
const TURNS_UNTIL_WRITTEN = 2;

/**
 * Runs whose last turns are read while the provider works: at once when their request is written, which is told. Where it waits, for budget or
 * for whoever has a say in it, it is not read much later, for it holds the body. One timer for all of them.
 */
export class LateReading {
	#runs: LiveRun[] = [];
	#turnsLeft = 0;

	add(live: LiveRun): void {
		this.#runs.push(live);
		if (this.#runs.length > 1) return;
		this.#turnsLeft = TURNS_UNTIL_WRITTEN;
		setImmediate(this.#turnOver).unref();
	}

	/** As soon as whoever writes the request has done so. */
	sent(live: LiveRun): void {
		if (live.hasUnread) queueMicrotask(() => readUp(live));
	}

	/** Turns that come by themselves: mostly everything is read by then, and none is made for it. */
	readonly #turnOver = (): void => {
		if (this.#turnsLeft === 0) {
			const runs = this.#runs;
			this.#runs = [];
			for (const live of runs) readUp(live);
			return;
		}
		this.#turnsLeft -= 1;
		setImmediate(this.#turnOver).unref();
	};
}

/** Asked for, the memory is read up. */
function readUp(live: LiveRun): void {
	if (live.hasUnread) void live.memory;
}
