/**
 * Whether the caller has left, and word of it when he does. An AbortSignal says the same; it costs every call an EventTarget,
 * which on this path is as much as looking up its key.
 */
export type Leaving = {
	readonly hasLeft: boolean;
	/** Called once, when he leaves; never for a caller who has left already. */
	onLeave(listener: () => void): void;
	forget(listener: () => void): void;
};

/** The side of whoever sees him leave. */
export class Departure implements Leaving {
	#hasLeft = false;
	#listeners: (() => void)[] = [];

	get hasLeft(): boolean {
		return this.#hasLeft;
	}

	onLeave(listener: () => void): void {
		this.#listeners.push(listener);
	}

	forget(listener: () => void): void {
		const index = this.#listeners.indexOf(listener);
		if (index >= 0) this.#listeners.splice(index, 1);
	}

	/** Safe to call again. */
	leave(): void {
		if (this.#hasLeft) return;
		this.#hasLeft = true;
		const listeners = this.#listeners;
		this.#listeners = [];
		for (const listener of listeners) listener();
	}
}
