import type { DeferredStore } from "#activities/batches/deferred-port.ts";
import type { Leaving } from "#activities/request/leaving.ts";

export type AnswerWaitsOptions = {
	readonly store: Pick<DeferredStore, "answered">;
	/** It could not be looked for answers; who waits goes on waiting, and looks himself when his time is over. */
	readonly onError: (error: unknown) => void;
	/** Default 1,000 ms. */
	readonly lookEveryMs?: number | undefined;
	/** Most that wait at once; default 10,000. */
	readonly waitersMax?: number | undefined;
};

const LOOK_EVERY_MS = 1_000;
const WAITERS_MAX = 10_000;

/** Those who wait for an answer at one gateway. However many they are, one statement a second looks for all of them, and none while nobody waits. */
export class AnswerWaits {
	readonly #store: AnswerWaitsOptions["store"];
	readonly #onError: AnswerWaitsOptions["onError"];
	readonly #lookEveryMs: number;
	readonly waitersMax: number;
	readonly #waiting = new Map<string, Set<() => void>>();
	#count = 0;
	#isLooking = false;
	#isDraining = false;

	constructor({ store, onError, lookEveryMs = LOOK_EVERY_MS, waitersMax = WAITERS_MAX }: AnswerWaitsOptions) {
		this.#store = store;
		this.#onError = onError;
		this.#lookEveryMs = lookEveryMs;
		this.waitersMax = waitersMax;
	}

	get isFull(): boolean {
		return this.#count >= this.waitersMax;
	}

	/** Resolves when the answer is there, after `waitMs`, when the waiter leaves, or when the gateway ends: whoever waited looks for himself. */
	wait(deferredId: string, waitMs: number, leaving: Leaving): Promise<void> {
		if (this.#isDraining || leaving.hasLeft) return Promise.resolve();
		return new Promise((resolve) => {
			const end = (): void => {
				clearTimeout(timer);
				leaving.forget(end);
				if (!this.#remove(deferredId, end)) return;
				resolve();
			};
			const timer = setTimeout(end, waitMs);
			leaving.onLeave(end);
			this.#add(deferredId, end);
			this.#look();
		});
	}

	/** Everybody is answered, so that a drain has nobody to wait for. */
	beginDrain(): void {
		this.#isDraining = true;
		for (const ends of [...this.#waiting.values()]) for (const end of [...ends]) end();
	}

	#add(deferredId: string, end: () => void): void {
		const ends = this.#waiting.get(deferredId) ?? new Set();
		this.#waiting.set(deferredId, ends.add(end));
		this.#count += 1;
	}

	#remove(deferredId: string, end: () => void): boolean {
		const ends = this.#waiting.get(deferredId);
		if (ends?.delete(end) !== true) return false;
		if (ends.size === 0) this.#waiting.delete(deferredId);
		this.#count -= 1;
		return true;
	}

	#look(): void {
		if (this.#isLooking) return;
		this.#isLooking = true;
		void this.#lookOn();
	}

	async #lookOn(): Promise<void> {
		while (this.#waiting.size > 0) {
			await new Promise((resolve) => setTimeout(resolve, this.#lookEveryMs));
			const ids = [...this.#waiting.keys()];
			if (ids.length > 0) for (const id of await this.#answered(ids)) for (const end of [...(this.#waiting.get(id) ?? [])]) end();
		}
		this.#isLooking = false;
	}

	async #answered(ids: readonly string[]): Promise<readonly string[]> {
		try {
			return await this.#store.answered(ids);
		} catch (error) {
			this.#onError(error);
			return [];
		}
	}
}
