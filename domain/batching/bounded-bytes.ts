const FIRST_CAPACITY = 4_096;
const EMPTY = Buffer.alloc(0);

/** Bytes of one line that arrive in pieces of any size, up to a limit. Beyond it nothing of them is kept. */
export class BoundedBytes {
	readonly #bytesMax: number;
	#held: Buffer = EMPTY;
	#length = 0;
	#isOver = false;

	constructor(bytesMax: number) {
		this.#bytesMax = bytesMax;
	}

	/** Nothing was added since the last `take`. */
	get isEmpty(): boolean {
		return this.#length === 0 && !this.#isOver;
	}

	add(piece: Buffer): void {
		if (this.#isOver) return;
		const length = this.#length + piece.length;
		if (length > this.#bytesMax) {
			this.#drop();
			this.#isOver = true;
			return;
		}
		if (length > this.#held.length) this.#grow(length);
		piece.copy(this.#held, this.#length);
		this.#length = length;
	}

	/** What was added, for the taker to keep; undefined where it was more than the limit. */
	take(): Buffer | undefined {
		const taken = this.#isOver ? undefined : this.#held.subarray(0, this.#length);
		this.#drop();
		this.#isOver = false;
		return taken;
	}

	#grow(length: number): void {
		const grown = Buffer.allocUnsafe(Math.max(length, Math.min(2 * this.#held.length, this.#bytesMax), FIRST_CAPACITY));
		this.#held.copy(grown, 0, 0, this.#length);
		this.#held = grown;
	}

	#drop(): void {
		this.#held = EMPTY;
		this.#length = 0;
	}
}
