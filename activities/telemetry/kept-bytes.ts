/**
 * The beginning and the end of an answer, as references to the chunks that arrived: what names it stands at its beginning, why it ended at
 * its end. What lies between is let go of where there is no room.
 */
export class KeptBytes {
	readonly #headBytesMax: number;
	readonly #tailBytesMax: number;
	readonly #head: Buffer[] = [];
	#headBytes = 0;
	#tail: Buffer[] = [];
	#tailBytes = 0;
	#hasGap = false;

	constructor(headBytesMax: number, tailBytesMax: number) {
		this.#headBytesMax = headBytesMax;
		this.#tailBytesMax = tailBytesMax;
	}

	get bytes(): number {
		return this.#headBytes + this.#tailBytes;
	}

	/** Something between `head` and `tail` is missing. */
	get hasGap(): boolean {
		return this.#hasGap;
	}

	/** Contiguous. */
	get head(): Buffer {
		return joined(this.#head);
	}

	/** Contiguous; empty where the head holds all. */
	get tail(): Buffer {
		return joined(this.#tail);
	}

	push(chunk: Buffer): void {
		if (this.#tail.length === 0 && !this.#hasGap && this.#headBytes + chunk.length <= this.#headBytesMax) {
			this.#head.push(chunk);
			this.#headBytes += chunk.length;
			return;
		}
		this.#tail.push(chunk);
		this.#tailBytes += chunk.length;
		this.#shorten();
	}

	letGo(): void {
		this.#head.length = 0;
		this.#tail = [];
		this.#headBytes = 0;
		this.#tailBytes = 0;
		this.#hasGap = true;
	}

	/** Whole chunks from the front; never a chunk's part, which would keep the memory of all of it. */
	#shorten(): void {
		let first = 0;
		while (this.#tailBytes > this.#tailBytesMax && first < this.#tail.length) {
			this.#tailBytes -= this.#tail[first]?.length ?? 0;
			first += 1;
		}
		if (first === 0) return;
		this.#tail.splice(0, first);
		this.#hasGap = true;
	}
}

function joined(chunks: readonly Buffer[]): Buffer {
	const [first] = chunks;
	return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}
