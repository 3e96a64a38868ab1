import { NESTING_LEVELS_MAX } from "../bound/scan-json.ts";
import { BoundedBytes } from "./bounded-bytes.ts";

/**
 * The body of a message batch, `{"requests":[{…},{…}]}`, read as it arrives: each request is cut out and handed on, and no more of the body
 * is held than the one that is open. It finds where requests begin and end and nothing else; whether one is JSON, whoever takes it says.
 */
export type ScannedRequest =
	/** Without line breaks, which between tokens are blanks: each is replaced by one. `n` from 1. */
	| { readonly kind: "request"; readonly n: number; readonly bytes: Buffer }
	/** Larger than one may be; nothing of it was kept. */
	| { readonly kind: "too_long"; readonly n: number }
	/** The last thing it says: what follows cannot be told apart. `n` null: before or after the requests. */
	| { readonly kind: "malformed"; readonly n: number | null; readonly field: string | null; readonly message: string };

type Place =
	| "start"
	| "first-key"
	| "key"
	| "colon"
	| "list"
	| "first-request"
	| "request"
	| "after-request"
	| "next-request"
	| "after-list"
	| "next-key"
	| "done"
	| "failed";

const REQUESTS = "requests";
const KEY_BYTES_MAX = 256;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BLANK = 0x20;

const WAITS_FOR: Readonly<Partial<Record<Place, string>>> = {
	start: "the body must be one JSON object in UTF-8 without a byte order mark",
	"first-key": "must be given",
	colon: "a colon must follow the name of a field",
	list: "must be a list of requests",
	"first-request": "must be an object",
	"after-request": "a comma or the end of the list must follow a request",
	"next-request": "must be an object",
	"after-list": "the body must end after the requests",
	"next-key": "the name of a field must follow a comma",
	done: "nothing may follow the end of the body",
};

export class RequestScanner {
	#place: Place = "start";
	/** Of the request that is open, or will be next. */
	#n = 1;
	readonly #key = new BoundedBytes(KEY_BYTES_MAX);
	readonly #request: BoundedBytes;
	/** What closes each open level of the request, outermost first. */
	readonly #closers = new Uint8Array(NESTING_LEVELS_MAX);
	#depth = 0;
	#isInString = false;
	#isEscaped = false;
	#hasLineBreak = false;
	#hasList = false;

	constructor({ requestBytesMax }: { readonly requestBytesMax: number }) {
		this.#request = new BoundedBytes(requestBytesMax);
	}

	/** What the chunk brings to an end, in order. */
	*push(chunk: Buffer): Generator<ScannedRequest> {
		let at = 0;
		while (at < chunk.length && this.#place !== "failed") {
			const found =
				this.#place === "request" ? this.#readRequest(chunk, at) : this.#place === "key" ? this.#readKey(chunk, at) : this.#step(chunk[at] ?? 0, at);
			at = found.next;
			if (found.said !== undefined) yield found.said;
		}
	}

	/** After the last chunk. */
	*end(): Generator<ScannedRequest> {
		if (this.#place === "done" || this.#place === "failed") return;
		const n = this.#place === "request" || this.#place === "next-request" ? this.#n : null;
		yield this.#fail("the body ends too early", n, null);
	}

	#step(byte: number, at: number): Step {
		const next = at + 1;
		if (byte === BLANK || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === 0x09) return { next };
		switch (this.#place) {
			case "start":
				return this.#expect(byte === OPEN_BRACE, "first-key", next);
			case "first-key":
			case "next-key":
				return this.#expect(byte === QUOTE, "key", next);
			case "colon":
				return this.#expect(byte === COLON, "list", next);
			case "list":
				return this.#expect(byte === OPEN_BRACKET, "first-request", next);
			case "after-list":
				return this.#expect(byte === CLOSE_BRACE || byte === COMMA, byte === COMMA ? "next-key" : "done", next);
			case "first-request":
				if (byte === CLOSE_BRACKET) return this.#goTo("after-list", next);
				return this.#openRequest(byte, at);
			case "after-request":
				return this.#expect(byte === COMMA || byte === CLOSE_BRACKET, byte === COMMA ? "next-request" : "after-list", next);
			case "next-request":
				return this.#openRequest(byte, at);
			default:
				return this.#expect(false, "failed", next);
		}
	}

	#expect(isThere: boolean, place: Place, next: number): Step {
		return isThere ? this.#goTo(place, next) : { next, said: this.#failHere() };
	}

	#goTo(place: Place, next: number): Step {
		this.#place = place;
		return { next };
	}

	/** The opening brace is read again as the first byte of the request. */
	#openRequest(byte: number, at: number): Step {
		if (byte !== OPEN_BRACE) return { next: at + 1, said: this.#failHere() };
		this.#depth = 0;
		this.#isInString = false;
		this.#isEscaped = false;
		this.#hasLineBreak = false;
		return this.#goTo("request", at);
	}

	/** Up to the end of the request, or of the chunk. */
	#readRequest(chunk: Buffer, start: number): Step {
		let at = start;
		while (at < chunk.length) {
			const byte = chunk[at] ?? 0;
			at += 1;
			if (this.#isInString) {
				const wrong = this.#inString(byte);
				if (wrong !== undefined) return { next: at, said: wrong };
			} else if (byte === QUOTE) this.#isInString = true;
			else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
				if (this.#depth === NESTING_LEVELS_MAX) return { next: at, said: this.#fail(`nests deeper than ${NESTING_LEVELS_MAX} levels`, this.#n, null) };
				this.#closers[this.#depth] = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
				this.#depth += 1;
			} else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
				this.#depth -= 1;
				if (this.#closers[this.#depth] !== byte)
					return { next: at, said: this.#fail("is not valid JSON: a bracket closes what it did not open", this.#n, null) };
				if (this.#depth === 0) return { next: at, said: this.#closeRequest(chunk.subarray(start, at)) };
			} else if (byte === LINE_FEED || byte === CARRIAGE_RETURN) this.#hasLineBreak = true;
		}
		this.#request.add(chunk.subarray(start, at));
		return { next: at };
	}

	/** A line break within a string is no JSON, and replaced it would be another text. */
	#inString(byte: number): ScannedRequest | undefined {
		if (byte < BLANK) return this.#fail("is not valid JSON: a control character stands in a string", this.#n, null);
		if (this.#isEscaped) this.#isEscaped = false;
		else if (byte === BACKSLASH) this.#isEscaped = true;
		else if (byte === QUOTE) this.#isInString = false;
		return undefined;
	}

	#closeRequest(rest: Buffer): ScannedRequest {
		this.#request.add(rest);
		const bytes = this.#request.take();
		const n = this.#n;
		this.#n += 1;
		this.#place = "after-request";
		if (bytes === undefined) return { kind: "too_long", n };
		if (this.#hasLineBreak) blankLineBreaks(bytes);
		return { kind: "request", n, bytes };
	}

	#readKey(chunk: Buffer, start: number): Step {
		for (let at = start; at < chunk.length; at += 1) {
			const byte = chunk[at] ?? 0;
			if (this.#isEscaped) this.#isEscaped = false;
			else if (byte === BACKSLASH) this.#isEscaped = true;
			else if (byte === QUOTE) {
				this.#key.add(chunk.subarray(start, at));
				return this.#closeKey(at + 1);
			}
		}
		this.#key.add(chunk.subarray(start));
		return { next: chunk.length };
	}

	#closeKey(next: number): Step {
		const name = decodeName(this.#key.take());
		if (name === REQUESTS && !this.#hasList) {
			this.#hasList = true;
			return this.#goTo("colon", next);
		}
		const field = name?.slice(0, 80) ?? null;
		const message = name === REQUESTS ? "stands twice; parsers differ on which one counts" : `is no field of a message batch; there is ${REQUESTS}`;
		return { next, said: this.#fail(message, null, field) };
	}

	#failHere(): ScannedRequest {
		const isOfRequest = this.#place === "first-request" || this.#place === "next-request" || this.#place === "after-request";
		const isOfList = this.#place === "first-key" || this.#place === "list";
		// What should have followed a request is looked for at that one.
		const n = this.#place === "after-request" ? this.#n - 1 : this.#n;
		return this.#fail(WAITS_FOR[this.#place] ?? "is not valid JSON", isOfRequest ? n : null, isOfList ? REQUESTS : null);
	}

	#fail(message: string, n: number | null, field: string | null): ScannedRequest {
		this.#place = "failed";
		this.#request.take();
		return { kind: "malformed", n, field, message };
	}
}

/** Where to read on, and what came to an end. */
type Step = { readonly next: number; readonly said?: ScannedRequest };

function blankLineBreaks(bytes: Buffer): void {
	for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === LINE_FEED || bytes[at] === CARRIAGE_RETURN) bytes[at] = BLANK;
}

/** undefined: too long, or no JSON string. */
function decodeName(raw: Buffer | undefined): string | undefined {
	if (raw === undefined) return undefined;
	try {
		return JSON.parse(`"${raw.toString("utf8")}"`) as string;
	} catch {
		return undefined;
	}
}
