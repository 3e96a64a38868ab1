import type { ItemOutcome } from "#domain/batching/batch.ts";

/** How an item ended, as its row says: the try whose result that is. */
export type ItemEnding = { readonly n: number; readonly tryNumber: number; readonly outcome: ItemOutcome };

const CODES: Readonly<Record<ItemOutcome, number>> = { succeeded: 1, errored: 2, expired: 3, cancelled: 4 };

/** The endings of all items of a batch, in five bytes each. What is delivered of an item is what its row says, and nothing else that came of it. */
export class ItemEndings {
	readonly #outcomes: Uint8Array;
	readonly #tries: Uint32Array;

	constructor(items: number) {
		this.#outcomes = new Uint8Array(items + 1);
		this.#tries = new Uint32Array(items + 1);
	}

	note({ n, tryNumber, outcome }: ItemEnding): void {
		this.#outcomes[n] = CODES[outcome];
		this.#tries[n] = tryNumber;
	}

	/** False for a result that came beside the outcome: another try's, or one that came when the item had been given up. */
	isEnding({ n, tryNumber, outcome }: ItemEnding): boolean {
		return this.#tries[n] === tryNumber && this.#outcomes[n] === CODES[outcome];
	}

	/** What is said of an item whose result nobody has; undefined: it has not ended. */
	absent(n: number): "expired" | "cancelled" | "lost" | undefined {
		switch (this.#outcomes[n]) {
			case undefined:
			case 0:
				return undefined;
			case CODES.expired:
				return "expired";
			case CODES.cancelled:
				return "cancelled";
			default:
				return "lost";
		}
	}
}
