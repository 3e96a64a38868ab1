/**
 * Time as batches see it: it runs beside the machine's, faster where a pace is set, and may be set forward so that a day passes at once.
 * It never goes back. Its anchor is kept on disk, so that a restart goes on where it stood.
 */

export type ClockAnchor = {
	/** On the machine's clock, milliseconds since 1970. */
	readonly realMs: number;
	readonly simulatedMs: number;
	/** Simulated milliseconds in a real one; 0 stands still. */
	readonly pace: number;
};

export class SimulatedClock {
	readonly #realNowMs: () => number;
	#anchor: ClockAnchor;
	#latestMs = 0;

	constructor(anchor?: ClockAnchor, realNowMs: () => number = Date.now) {
		this.#realNowMs = realNowMs;
		const realMs = realNowMs();
		this.#anchor = anchor ?? { realMs, simulatedMs: realMs, pace: 1 };
	}

	get anchor(): ClockAnchor {
		return this.#anchor;
	}

	nowMs(): number {
		const { realMs, simulatedMs, pace } = this.#anchor;
		this.#latestMs = Math.max(this.#latestMs, Math.floor(simulatedMs + (this.#realNowMs() - realMs) * pace));
		return this.#latestMs;
	}

	/** 0 when it is past, Infinity when the clock stands still. */
	realMsUntil(simulatedMs: number): number {
		const leftMs = simulatedMs - this.nowMs();
		return leftMs <= 0 ? 0 : Math.ceil(leftMs / this.#anchor.pace);
	}

	advance(byMs: number): void {
		this.#setAnchor(this.nowMs() + byMs, this.#anchor.pace);
	}

	/** False where that would be going back; nothing is changed then. */
	setForward(toMs: number): boolean {
		if (toMs < this.nowMs()) return false;
		this.#setAnchor(toMs, this.#anchor.pace);
		return true;
	}

	setPace(pace: number): void {
		this.#setAnchor(this.nowMs(), pace);
	}

	#setAnchor(simulatedMs: number, pace: number): void {
		this.#anchor = { realMs: this.#realNowMs(), simulatedMs, pace };
		this.#latestMs = simulatedMs;
	}
}
