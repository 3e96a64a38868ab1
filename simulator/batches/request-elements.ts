/**
 * Finds the elements of `requests` in the body `{"requests": [ … ]}` of a message batch as it streams in, so that 256 MB are never held whole.
 * It looks at brackets and quotes alone; what an element says is for JSON.parse.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING = new Set([0x7b, 0x5b]);
const CLOSING = new Set([0x7d, 0x5d]);
const OPENING_SQUARE = 0x5b;
const OPENING_CURLY = 0x7b;
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d]);
const KEY = "requests";

export class RequestElements {
	#hasBegun = false;
	#depth = 0;
	#isInText = false;
	#isEscaped = false;
	/** Of the outermost object: the key being read, then the one whose value follows. */
	#key: number[] | undefined;
	#isValue = false;
	#isWanted = false;
	#isFound = false;
	#isBroken = false;
	#pieces: Buffer[] = [];
	#elementStart: number | undefined;

	/** Whether there was a list of requests. */
	get isFound(): boolean {
		return this.#isFound;
	}

	/** True when the body was one whole object. */
	get isWhole(): boolean {
		return this.#depth === 0 && !this.#isInText && !this.#isBroken && this.#hasBegun;
	}

	/** The elements that this piece of the body completes. */
	feed(chunk: Buffer): Buffer[] {
		const elements: Buffer[] = [];
		for (let index = 0; index < chunk.length; index += 1) {
			const byte = chunk[index] ?? 0;
			if (this.#isInText) this.#readText(byte);
			else this.#readByte({ byte, index, chunk, elements });
		}
		if (this.#elementStart !== undefined) {
			this.#pieces.push(chunk.subarray(this.#elementStart));
			this.#elementStart = 0;
		}
		return elements;
	}

	#readText(byte: number): void {
		if (this.#isEscaped) this.#isEscaped = false;
		else if (byte === BACKSLASH) this.#isEscaped = true;
		else if (byte === QUOTE) {
			this.#isInText = false;
			return;
		}
		this.#key?.push(byte);
	}

	#readByte(at: { readonly byte: number; readonly index: number; readonly chunk: Buffer; readonly elements: Buffer[] }): void {
		const { byte, index } = at;
		if (BLANK.has(byte)) return;
		if (this.#depth === 0 && (this.#hasBegun || byte !== OPENING_CURLY)) this.#isBroken = true;
		this.#hasBegun = true;
		const isAmongRequests = this.#isWanted && this.#depth === 2;
		if (isAmongRequests && (byte === COMMA || CLOSING.has(byte))) this.#complete(at);
		else if (isAmongRequests && this.#elementStart === undefined) this.#elementStart = index;
		if (byte === QUOTE) this.#beginText();
		else if (OPENING.has(byte)) this.#open(byte);
		else if (CLOSING.has(byte)) this.#close();
		else if (this.#depth === 1) this.#separate(byte);
	}

	#beginText(): void {
		this.#isInText = true;
		if (this.#depth === 1 && !this.#isValue) this.#key = [];
	}

	#open(byte: number): void {
		if (this.#depth === 1 && this.#isWanted && byte === OPENING_SQUARE) this.#isFound = true;
		else if (this.#depth === 1) this.#isWanted = false;
		this.#depth += 1;
	}

	#close(): void {
		this.#depth -= 1;
		if (this.#depth < 0) this.#isBroken = true;
		if (this.#depth <= 1) this.#isWanted = false;
	}

	#separate(byte: number): void {
		if (byte === COLON) {
			this.#isWanted = Buffer.from(this.#key ?? []).toString() === KEY;
			this.#isValue = true;
		}
		if (byte === COMMA) this.#isValue = false;
		this.#key = undefined;
	}

	#complete({ index, chunk, elements }: { readonly index: number; readonly chunk: Buffer; readonly elements: Buffer[] }): void {
		if (this.#elementStart === undefined) return;
		elements.push(Buffer.concat([...this.#pieces, chunk.subarray(this.#elementStart, index)]));
		this.#pieces = [];
		this.#elementStart = undefined;
	}
}
