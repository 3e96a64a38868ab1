/** What is given up when its time is over. */
export type Expiring = { expire(): void };

/** One that waits; a link of a list in order of its ends. */
export class Deadline {
	readonly endsAtMs: number;
	readonly expiring: Expiring;
	readonly #line: DeadlineLine;
	previous: Deadline | undefined;
	next: Deadline | undefined;
	#isOver = false;

	constructor(line: DeadlineLine, expiring: Expiring, endsAtMs: number) {
		this.#line = line;
		this.expiring = expiring;
		this.endsAtMs = endsAtMs;
	}

	/** It never expires from now on. Safe to call again. */
	end(): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#line.remove(this);
	}
}

/** All that wait equally long, so in the order in which they began. */
class DeadlineLine {
	readonly #lengthMs: number;
	readonly #onEmpty: () => void;
	#first: Deadline | undefined;
	#last: Deadline | undefined;

	constructor(lengthMs: number, onEmpty: () => void) {
		this.#lengthMs = lengthMs;
		this.#onEmpty = onEmpty;
		this.#wait(lengthMs);
	}

	add(expiring: Expiring): Deadline {
		const deadline = new Deadline(this, expiring, performance.now() + this.#lengthMs);
		deadline.previous = this.#last;
		if (this.#last === undefined) this.#first = deadline;
		else this.#last.next = deadline;
		this.#last = deadline;
		return deadline;
	}

	remove(deadline: Deadline): void {
		const { previous, next } = deadline;
		if (previous === undefined) this.#first = next;
		else previous.next = next;
		if (next === undefined) this.#last = previous;
		else next.previous = previous;
		// Whoever keeps a call that is over would keep all that came after it.
		deadline.previous = undefined;
		deadline.next = undefined;
	}

	#wait(forMs: number): void {
		// Whoever waits has a connection open, which keeps the process; a line in which nobody waits does not.
		setTimeout(() => this.#expire(), forMs).unref();
	}

	#expire(): void {
		try {
			for (let first = this.#first; first !== undefined && first.endsAtMs <= performance.now(); first = this.#first) {
				first.end();
				first.expiring.expire();
			}
		} finally {
			// Also where one of them throws: the others end all the same.
			if (this.#first === undefined) this.#onEmpty();
			else this.#wait(this.#first.endsAtMs - performance.now());
		}
	}
}

/**
 * Upper ends of calls. One timer for all that may take equally long, instead of one for each call: a timer that is set and cleared costs a call that is
 * alone as much as reserving its money. Nearly all calls end long before, and then their line finds the next one when it looks.
 */
export class CallDeadlines {
	readonly #lines = new Map<number, DeadlineLine>();

	/** In `lengthMs` from now, unless it is ended before. */
	begin(expiring: Expiring, lengthMs: number): Deadline {
		let line = this.#lines.get(lengthMs);
		if (line === undefined) {
			line = new DeadlineLine(lengthMs, () => this.#lines.delete(lengthMs));
			this.#lines.set(lengthMs, line);
		}
		return line.add(expiring);
	}
}
