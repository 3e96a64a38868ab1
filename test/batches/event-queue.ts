/** What happens when, in one thread of virtual time: earliest first, and in the order it was planned where times are equal. */
export class EventQueue {
	readonly #events: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
	#planned = 0;
	#nowMs: number;

	constructor(startsAtMs: number) {
		this.#nowMs = startsAtMs;
	}

	get nowMs(): number {
		return this.#nowMs;
	}

	/** What is past already happens now. */
	at(atMs: number, run: () => void): void {
		this.#planned += 1;
		let place = this.#events.push({ atMs: Math.max(atMs, this.#nowMs), order: this.#planned, run }) - 1;
		for (let above = (place - 1) >> 1; place > 0 && this.#isBefore(place, above); above = (place - 1) >> 1) {
			this.#swap(place, above);
			place = above;
		}
	}

	runAll(): void {
		for (let next = this.#take(); next !== undefined; next = this.#take()) {
			this.#nowMs = next.atMs;
			next.run();
		}
	}

	#take() {
		this.#swap(0, this.#events.length - 1);
		const first = this.#events.pop();
		let place = 0;
		for (;;) {
			const left = 2 * place + 1;
			const below = this.#isBefore(left + 1, left) ? left + 1 : left;
			if (!this.#isBefore(below, place)) return first;
			this.#swap(place, below);
			place = below;
		}
	}

	/** A place beyond the end is never before. */
	#isBefore(one: number, other: number): boolean {
		const [left, right] = [this.#events[one], this.#events[other]];
		if (left === undefined || right === undefined) return false;
		return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
	}

	#swap(one: number, other: number): void {
		const [left, right] = [this.#events[one], this.#events[other]];
		if (left === undefined || right === undefined) return;
		this.#events[one] = right;
		this.#events[other] = left;
	}
}
