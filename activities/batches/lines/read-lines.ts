import { isUtf8 } from "node:buffer";
import { BoundedBytes } from "#domain/batching/bounded-bytes.ts";
import { RequestScanner, type ScannedRequest } from "#domain/batching/scan-requests.ts";

/**
 * Requests of a batch out of bytes that arrive in pieces of any size: lines of a file, or the list within one JSON body. No more than one of
 * them is held.
 */
export type SplitLine =
	/** `line` from 1. `bytes` without the line end, good until the next one is asked for: they may be a view of what arrived. */
	| { readonly kind: "line"; readonly line: number; readonly bytes: Buffer }
	/** `too_long`: beyond the limit, nothing of it was kept. */
	| { readonly kind: "empty" | "too_long" | "not_utf8"; readonly line: number };

export type ReadLine =
	| SplitLine
	/** A list that is none from here on; the last thing that is said. */
	| { readonly kind: "malformed"; readonly line: number | null; readonly field: string | null; readonly message: string };

export type LineReader = {
	/** What the chunk brings to an end, in order. */
	push(chunk: Uint8Array): Iterable<ReadLine>;
	/** After the last chunk. */
	end(): Iterable<ReadLine>;
};

export type LineLimits = {
	/** Most bytes of one line, its end not among them. */
	readonly lineBytesMax: number;
};

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Lines end with LF or CRLF; the last one may end with nothing. */
export class LineSplitter implements LineReader {
	readonly #lineBytesMax: number;
	/** What an earlier chunk began; with room for the carriage return before a line feed. */
	readonly #begun: BoundedBytes;
	#line = 0;

	constructor({ lineBytesMax }: LineLimits) {
		this.#lineBytesMax = lineBytesMax;
		this.#begun = new BoundedBytes(lineBytesMax + 1);
	}

	*push(chunk: Uint8Array): Generator<SplitLine> {
		const bytes = toBuffer(chunk);
		let start = 0;
		for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
			yield this.#close(bytes.subarray(start, end));
			start = end + 1;
		}
		this.#begun.add(bytes.subarray(start));
	}

	*end(): Generator<SplitLine> {
		if (!this.#begun.isEmpty) yield this.#close(toBuffer(NOTHING));
	}

	#close(rest: Buffer): SplitLine {
		this.#line += 1;
		if (this.#begun.isEmpty) return this.#toLine(rest);
		this.#begun.add(rest);
		return this.#toLine(this.#begun.take());
	}

	#toLine(whole: Buffer | undefined): SplitLine {
		const line = this.#line;
		if (whole === undefined) return { kind: "too_long", line };
		const bytes = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
		if (bytes.length === 0) return { kind: "empty", line };
		if (bytes.length > this.#lineBytesMax) return { kind: "too_long", line };
		return toText(line, bytes);
	}
}

const NOTHING = new Uint8Array(0);

/** Requests of Anthropic's `{"requests":[…]}`, each as a line: numbered from 1, and without line breaks. */
export class RequestSplitter implements LineReader {
	readonly #scanner: RequestScanner;

	constructor({ lineBytesMax }: LineLimits) {
		this.#scanner = new RequestScanner({ requestBytesMax: lineBytesMax });
	}

	*push(chunk: Uint8Array): Generator<ReadLine> {
		for (const scanned of this.#scanner.push(toBuffer(chunk))) yield fromScanned(scanned);
	}

	*end(): Generator<ReadLine> {
		for (const scanned of this.#scanner.end()) yield fromScanned(scanned);
	}
}

function fromScanned(scanned: ScannedRequest): ReadLine {
	if (scanned.kind === "malformed") return { kind: "malformed", line: scanned.n, field: scanned.field, message: scanned.message };
	if (scanned.kind === "too_long") return { kind: "too_long", line: scanned.n };
	return toText(scanned.n, scanned.bytes);
}

function toText(line: number, bytes: Buffer): SplitLine {
	return isUtf8(bytes) ? { kind: "line", line, bytes } : { kind: "not_utf8", line };
}

/** Lines of a stored file. */
export async function* readLines(source: AsyncIterable<Uint8Array>, limits: LineLimits): AsyncGenerator<SplitLine> {
	const splitter = new LineSplitter(limits);
	for await (const chunk of source) yield* splitter.push(chunk);
	yield* splitter.end();
}

function toBuffer(chunk: Uint8Array): Buffer {
	return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
