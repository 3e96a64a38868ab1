import type { LiveRun } from "./live-run.ts";

/**
 * Turns of the event loop from here until a request is written: what is journaled in one is handed over at its end, and undici looks for the
 * end of a connection that rested before it writes to it, in the turn after.
 */
const TURNS_UNTIL_WRITTEN = 2;

/** Runs whose last turns are to be read once their calls are on their way. One timer for all of them. */
export class LateReading {
	#runs: LiveRun[] = [];
	#turnsLeft = 0;

	add(live: LiveRun): void {
		this.#runs.push(live);
		if (this.#runs.length > 1) return;
		this.#turnsLeft = TURNS_UNTIL_WRITTEN;
		setImmediate(this.#turnOver);
	}

	readonly #turnOver = (): void => {
		if (this.#turnsLeft === 0) {
			this.#readAll();
			return;
		}
		this.#turnsLeft -= 1;
		setImmediate(this.#turnOver);
	};

	#readAll(): void {
		const runs = this.#runs;
		this.#runs = [];
		// Asked for, the memory is read up.
		for (const live of runs) if (live.hasUnread) void live.memory;
	}
}
