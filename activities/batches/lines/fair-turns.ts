import { setImmediate as nextTurn } from "node:timers/promises";

/** How long whatever else the process serves is kept waiting by a file that is read. */
const TURN_MS = 10;

/** Long work in turns: whoever does it asks after each small piece whether the turn is over, and then lets others go first. */
export class FairTurns {
	#beganAtMs = performance.now();

	get isOver(): boolean {
		return performance.now() - this.#beganAtMs >= TURN_MS;
	}

	async next(): Promise<void> {
		await nextTurn();
		this.#beganAtMs = performance.now();
	}
}
