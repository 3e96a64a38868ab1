/**
 * Calls that wait for a word from outside. A name that was released stays released: a call that
 * arrives late with it does not wait for ever.
 */
const RELEASED_NAMES_MOST = 10_000;

export class Holds {
	readonly #waiting = new Map<string, Set<() => void>>();
	readonly #released = new Set<string>();

	/** Calls `resume` at release; undefined when the name is released already, else a function that leaves the queue. */
	wait(name: string, resume: () => void): (() => void) | undefined {
		if (this.#released.has(name)) return undefined;
		const queue = this.#waiting.get(name) ?? new Set();
		this.#waiting.set(name, queue);
		queue.add(resume);
		return () => {
			queue.delete(resume);
			if (queue.size === 0 && this.#waiting.get(name) === queue) this.#waiting.delete(name);
		};
	}

	/** Releases one name, or everything that waits now when none is given. Returns how many calls went on. */
	release(name?: string): number {
		const names = name === undefined ? [...this.#waiting.keys()] : [name];
		let count = 0;
		for (const each of names) count += this.#releaseOne(each);
		return count;
	}

	/** Calls held, by name. */
	counts(): Readonly<Record<string, number>> {
		return Object.fromEntries([...this.#waiting].map(([name, queue]) => [name, queue.size]));
	}

	#releaseOne(name: string): number {
		if (this.#released.size >= RELEASED_NAMES_MOST) this.#released.clear();
		this.#released.add(name);
		const queue = this.#waiting.get(name);
		this.#waiting.delete(name);
		if (queue === undefined) return 0;
		const resumes = [...queue];
		for (const resume of resumes) resume();
		return resumes.length;
	}
}
