import type { LiveRun } from "./live-run.ts";

/**
 * Runs whose last turns are to be read once their calls are on their way: in the second turn of the event loop from here, since what is
 * journaled in one is sent at its end. One timer for all of them.
 */
export class LateReading {
	#runs: LiveRun[] = [];
	#isPlanned = false;

	add(live: LiveRun): void {
		this.#runs.push(live);
		if (this.#isPlanned) return;
		this.#isPlanned = true;
		setImmediate(this.#afterSending);
	}

	readonly #afterSending = (): void => void setImmediate(this.#readAll);

	readonly #readAll = (): void => {
		const runs = this.#runs;
		this.#runs = [];
		this.#isPlanned = false;
		// Asked for, the memory is read up.
		for (const live of runs) if (live.hasUnread) void live.memory;
	};
}
