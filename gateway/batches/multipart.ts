/**
 * Reads a form of the type multipart/form-data (RFC 7578) as it arrives: fields whole, files piece by piece, so that nothing held grows
 * with what is sent. Written here because no reader of such forms is among the packages, and this is all of one that an upload of
 * one file needs: every header, field and number of parts is bounded, and what is not exactly a form is refused.
 */
export type FormEvent =
	| { readonly kind: "field"; readonly name: string; readonly value: string }
	/** Its `data` follows, until the next event of another kind. */
	| { readonly kind: "file"; readonly name: string; readonly filename: string }
	| { readonly kind: "data"; readonly chunk: Uint8Array };

/** It is no such form, or a part of it is larger than it may be. The message is for the caller. */
export class MalformedForm extends Error {}

/** What stands before the first boundary, which no client of today writes. */
const PREAMBLE_BYTES_MAX = 1_024;
const HEADER_LINE_BYTES_MAX = 4_096;
const HEADER_LINES_MAX = 16;
const PADDING_BYTES_MAX = 64;
const FIELD_BYTES_MAX = 4_096;
const PARTS_MAX = 32;

const CRLF = Buffer.from("\r\n");
const DASH = 0x2d;
const FORM_TYPE = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)/i;
/** RFC 2046, 5.1.1; a blank may not be the last. */
const BOUNDARY = /^[A-Za-z0-9\x27()+_,\-./:=? ]*[A-Za-z0-9\x27()+_,\-./:=?]$/;

/** The boundary that a content type names; undefined where it is no form. */
export function readBoundary(contentType: string | undefined): string | undefined {
	const [, quoted, plain] = FORM_TYPE.exec(contentType ?? "") ?? [];
	const boundary = quoted ?? plain;
	return boundary !== undefined && BOUNDARY.test(boundary) ? boundary : undefined;
}

/** @throws MalformedForm for what is no form with this boundary; whatever `source` throws. */
export async function* readForm(source: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<FormEvent> {
	const incoming = new Incoming(source);
	const delimiter = Buffer.from(`\r\n--${boundary}`);
	try {
		await incoming.whole(delimiter, PREAMBLE_BYTES_MAX, "what stands before the first boundary");
		for (let parts = 1; !(await incoming.isClosing()); parts += 1) {
			if (parts > PARTS_MAX) throw new MalformedForm(`the form has more than ${PARTS_MAX} parts`);
			const { name, filename } = await readHead(incoming);
			if (filename === undefined) {
				yield { kind: "field", name, value: (await incoming.whole(delimiter, FIELD_BYTES_MAX, `the field ${name}`)).toString() };
			} else {
				yield { kind: "file", name, filename };
				for await (const chunk of incoming.until(delimiter)) yield { kind: "data", chunk };
			}
		}
		await incoming.readAway();
	} finally {
		await incoming.leave();
	}
}

/** Bytes that have come and were not taken yet. */
class Incoming {
	readonly #source: AsyncIterator<Uint8Array>;
	// As if a line had ended before the first boundary, so that it looks like every other.
	#held: Buffer = CRLF;

	constructor(source: AsyncIterable<Uint8Array>) {
		this.#source = source[Symbol.asyncIterator]();
	}

	/** All up to `mark` as it comes; the mark itself is taken away. */
	async *until(mark: Buffer): AsyncGenerator<Buffer> {
		for (;;) {
			const at = this.#held.indexOf(mark);
			// The last bytes may be the beginning of a mark.
			const free = at >= 0 ? at : this.#held.length - mark.length + 1;
			if (free > 0) yield this.#take(free);
			if (at >= 0) {
				this.#take(mark.length);
				return;
			}
			await this.#more();
		}
	}

	/** The same in one piece; `what` says in the refusal of a longer one what it is. */
	async whole(mark: Buffer, bytesMax: number, what: string): Promise<Buffer> {
		for (;;) {
			const at = this.#held.indexOf(mark);
			if (at > bytesMax || (at < 0 && this.#held.length >= bytesMax + mark.length)) throw new MalformedForm(`${what} is longer than ${bytesMax} bytes`);
			if (at >= 0) {
				const found = this.#take(at);
				this.#take(mark.length);
				return found;
			}
			await this.#more();
		}
	}

	/** Whether the boundary that was just taken is the one behind which nothing follows. */
	async isClosing(): Promise<boolean> {
		while (this.#held.length < 2) await this.#more();
		return this.#held[0] === DASH && this.#held[1] === DASH;
	}

	/** What stands behind the last boundary means nothing. */
	async readAway(): Promise<void> {
		this.#held = Buffer.alloc(0);
		while ((await this.#source.next()).done !== true);
	}

	async leave(): Promise<void> {
		await this.#source.return?.();
	}

	#take(bytes: number): Buffer {
		const taken = this.#held.subarray(0, bytes);
		this.#held = this.#held.subarray(bytes);
		return taken;
	}

	async #more(): Promise<void> {
		const next = await this.#source.next();
		if (next.done === true) throw new MalformedForm("the form ends before its last boundary");
		this.#held =
			this.#held.length === 0 ? Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength) : Buffer.concat([this.#held, next.value]);
	}
}

type Head = { readonly name: string; readonly filename: string | undefined };

async function readHead(incoming: Incoming): Promise<Head> {
	const padding = await incoming.whole(CRLF, PADDING_BYTES_MAX, "the line of a boundary");
	if (padding.toString().trim() !== "") throw new MalformedForm("a boundary is followed by text on its line");
	const headers = new Map<string, string>();
	for (let lines = 1; ; lines += 1) {
		const line = (await incoming.whole(CRLF, HEADER_LINE_BYTES_MAX, "a header of a part")).toString();
		if (line === "") break;
		if (lines > HEADER_LINES_MAX) throw new MalformedForm(`a part has more than ${HEADER_LINES_MAX} headers`);
		const colon = line.indexOf(":");
		if (colon < 1) throw new MalformedForm("a header of a part has no name");
		headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
	}
	const encoding = headers.get("content-transfer-encoding")?.toLowerCase();
	if (encoding !== undefined && !["7bit", "8bit", "binary"].includes(encoding)) throw new MalformedForm("an encoded part is not read; send it plain");
	return readDisposition(headers.get("content-disposition") ?? "");
}

const PARAMETER = /;[ \t]*([^\s=;"]+)=(?:"((?:\\"|[^"])*)"|([^\s;"]*))[ \t]*/y;

function readDisposition(text: string): Head {
	const [type = ""] = text.split(";", 1);
	if (type.trim().toLowerCase() !== "form-data") throw new MalformedForm("a part has no Content-Disposition: form-data");
	const parameters = new Map<string, string>();
	let at = type.length;
	while (at < text.length) {
		PARAMETER.lastIndex = at;
		const [matched, name = "", quoted, plain] = PARAMETER.exec(text) ?? [];
		if (matched === undefined) throw new MalformedForm("the Content-Disposition of a part cannot be read");
		parameters.set(name.toLowerCase(), quoted === undefined ? (plain ?? "") : unquote(quoted));
		at += matched.length;
	}
	const name = parameters.get("name");
	if (name === undefined) throw new MalformedForm("a part has no name");
	return { name, filename: readExtended(parameters.get("filename*")) ?? parameters.get("filename") };
}

/** Browsers and fetch write a quote and the ends of lines as %22, %0D and %0A (HTML, 4.10.22.8), others a quote behind a backslash. */
function unquote(text: string): string {
	return text.replaceAll(String.raw`\"`, `"`).replaceAll(/%(22|0D|0A)/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** RFC 5987: UTF-8 behind a mark. Anything else is left to the plain parameter. */
function readExtended(text: string | undefined): string | undefined {
	const [, encoded] = /^utf-8\x27[^\x27]*\x27(.*)$/i.exec(text ?? "") ?? [];
	if (encoded === undefined) return undefined;
	try {
		return decodeURIComponent(encoded);
	} catch (error) {
		if (error instanceof URIError) throw new MalformedForm("the name of the file cannot be read");
		throw error;
	}
}
