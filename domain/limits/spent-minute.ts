/** A minute in whole seconds, and the one under way: what is spent counts for at least a minute, and at most a second longer. */
const SECONDS_COUNTED = 61;
const COMPACT_AFTER = 128;

/**
 * What was spent in the last minute, by the second. Exact to a second and never too little. Times are milliseconds of one monotonic clock.
 */
export class SpentMinute {
	private seconds: number[] = [];
	private amounts: number[] = [];
	private head = 0;

	add(amount: number, nowMs: number): void {
		const second = secondOf(nowMs);
		const last = this.seconds.length - 1;
		if (last >= this.head && this.seconds[last] === second) this.amounts[last] = (this.amounts[last] ?? 0) + amount;
		else {
			this.seconds.push(second);
			this.amounts.push(amount);
		}
	}

	/** Takes back part of what was spent in a second; what is older than a minute has gone already. Returns how much it was. */
	takeBack(amount: number, spentAtMs: number): number {
		const second = secondOf(spentAtMs);
		for (let index = this.seconds.length - 1; index >= this.head; index--) {
			if (this.seconds[index] !== second) continue;
			const taken = Math.min(amount, this.amounts[index] ?? 0);
			this.amounts[index] = (this.amounts[index] ?? 0) - taken;
			return taken;
		}
		return 0;
	}

	/** Forgets what is older than a minute. Returns how much it was. */
	age(nowMs: number): number {
		const oldest = secondOf(nowMs) - SECONDS_COUNTED;
		let aged = 0;
		while (this.head < this.seconds.length && (this.seconds[this.head] ?? 0) <= oldest) aged += this.amounts[this.head++] ?? 0;
		if (this.head > COMPACT_AFTER || this.head === this.seconds.length) {
			this.seconds.splice(0, this.head);
			this.amounts.splice(0, this.head);
			this.head = 0;
		}
		return aged;
	}

	/** Until something of it ages; null when nothing is spent. */
	agesInMs(nowMs: number): number | null {
		for (let index = this.head; index < this.seconds.length; index++) {
			if ((this.amounts[index] ?? 0) > 0) return Math.max(0, ((this.seconds[index] ?? 0) + SECONDS_COUNTED) * 1_000 - nowMs);
		}
		return null;
	}
}

function secondOf(atMs: number): number {
	return Math.floor(atMs / 1_000);
}
