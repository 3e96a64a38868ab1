import type { AnswerHeaders } from "./port.ts";

/**
 * Takes a provider's key out of what that provider says: bodies, headers and streams, before anything of them is read,
 * booked, stored or passed on. A provider repeats the key in an error above all, and some proxies repeat whole requests.
 */
export type Redaction = {
	/** The body without the key; the same bytes where it holds none. */
	body(bytes: Buffer): Buffer;
	/** The headers without the key; the same object where they hold none. */
	headers(headers: AnswerHeaders): AnswerHeaders;
	/** For one stream. */
	stream(): StreamRedaction;
};

/** A key that arrives in slices is found too: what may be its beginning waits for the next slice. */
export type StreamRedaction = {
	/** What of the bytes so far can go on, without the key; possibly none of them. */
	push(chunk: Buffer): Buffer;
	/** What waited when the stream ended. */
	end(): Buffer;
};

const MARK = "[redacted]";
const LINE_FEED = 10;
const EMPTY = Buffer.alloc(0);
export const NOTHING_TO_REDACT: Redaction = {
	body: (bytes) => bytes,
	headers: (headers) => headers,
	stream: () => ({ push: (chunk) => chunk, end: () => EMPTY }),
};

/** `secret` empty: everything passes as it is. */
export function createRedaction(secret: string): Redaction {
	if (secret === "") return NOTHING_TO_REDACT;
	const texts = textForms(secret);
	const forms = [...texts, ...base64Forms(secret)].map((form) => Buffer.from(form));
	return {
		body: (bytes) => without(bytes, forms),
		headers: (headers) => headersWithout(headers, texts),
		stream: () => new SliceRedaction(forms),
	};
}

/** As it is, inside a JSON string, and inside a URL; mostly one and the same. */
function textForms(secret: string): string[] {
	const json = JSON.stringify(secret).slice(1, -1);
	return [...new Set([secret, json, json.replaceAll("/", "\\/"), encodeURIComponent(secret)])];
}

/** At the three places it can have inside encoded text, in both alphabets, without the characters that its surroundings share. */
function base64Forms(secret: string): string[] {
	const bytes = Buffer.from(secret);
	const shifted = [0, 1, 2].map((shift) => {
		const whole = (bytes.length + shift) * 8;
		const first = Math.ceil((shift * 8) / 6);
		return Buffer.concat([Buffer.alloc(shift), bytes])
			.toString("base64")
			.slice(first, Math.floor(whole / 6));
	});
	// Shorter pieces could be anything.
	return [...new Set(shifted.flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]))].filter((text) => text.length >= 12);
}

function without(bytes: Buffer, forms: readonly Buffer[]): Buffer {
	if (!forms.some((form) => bytes.includes(form))) return bytes;
	// latin1 keeps every byte, UTF-8 or not.
	return Buffer.from(
		replaceForms(
			bytes.toString("latin1"),
			forms.map((form) => form.toString("latin1")),
		),
		"latin1",
	);
}

function headersWithout(headers: AnswerHeaders, forms: readonly string[]): AnswerHeaders {
	if (!holdsAny(headers, forms)) return headers;
	const clean = (value: string): string => replaceForms(value, forms);
	return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.map(clean) : value && clean(value)]));
}

function holdsAny(headers: AnswerHeaders, forms: readonly string[]): boolean {
	for (const name in headers) {
		const value = headers[name];
		if (value !== undefined && forms.some((form) => String(value).includes(form))) return true;
	}
	return false;
}

function replaceForms(text: string, forms: readonly string[]): string {
	return forms.reduce((left, form) => left.replaceAll(form, MARK), text);
}

class SliceRedaction implements StreamRedaction {
	readonly #forms: readonly Buffer[];
	#held: Buffer = EMPTY;

	constructor(forms: readonly Buffer[]) {
		this.#forms = forms;
	}

	push(chunk: Buffer): Buffer {
		const bytes = without(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]), this.#forms);
		const end = this.#forms.reduce((earliest, form) => Math.min(earliest, beginningAtEnd(bytes, form)), bytes.length);
		this.#held = end === bytes.length ? EMPTY : bytes.subarray(end);
		return end === bytes.length ? bytes : bytes.subarray(0, end);
	}

	end(): Buffer {
		const rest = this.#held;
		this.#held = EMPTY;
		return rest;
	}
}

/** Where the bytes end with the beginning of the form; their length when they do not, as after a line feed, which no form holds. */
function beginningAtEnd(bytes: Buffer, form: Buffer): number {
	if (bytes[bytes.length - 1] === LINE_FEED) return bytes.length;
	const first = form[0] ?? 0;
	let at = bytes.indexOf(first, Math.max(0, bytes.length - form.length + 1));
	while (at !== -1 && bytes.compare(form, 0, bytes.length - at, at) !== 0) at = bytes.indexOf(first, at + 1);
	return at === -1 ? bytes.length : at;
}
