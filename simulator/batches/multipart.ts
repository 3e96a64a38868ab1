/** `multipart/form-data` (RFC 7578) as it streams in: parts are told as they begin, their bytes as they come. */

export type MultipartEvent =
	| { readonly kind: "part"; readonly name: string; readonly filename: string | undefined }
	/** Of the part that began last. */
	| { readonly kind: "bytes"; readonly bytes: Buffer };

/** A body that is none of the kind. */
export class MultipartError extends Error {
	override readonly name = "MultipartError";
}

const HEADER_BYTES_MAX = 16 * 1024;
const LINE_END = "\r\n";
const HEADERS_END = "\r\n\r\n";
const CLOSING = "--";

/** The boundary that a content type names. Throws MultipartError for any other type. */
export function boundaryOf(contentType: string | undefined): string {
	const [, quoted, plain] = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? "") ?? [];
	const boundary = quoted ?? plain;
	if (boundary === undefined) throw new MultipartError("expected multipart/form-data with a boundary");
	return boundary;
}

/** Throws MultipartError where the body is malformed, or ends before its closing boundary. */
export async function* readMultipart(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<MultipartEvent> {
	const reader = new MultipartReader(boundary);
	for await (const chunk of source) yield* reader.feed(chunk);
	if (!reader.isOver) throw new MultipartError("the body ends before its closing boundary");
}

class MultipartReader {
	readonly #delimiter: Buffer;
	#state: "before" | "boundary" | "headers" | "bytes" | "over" = "before";
	/** As if a line had ended before the first boundary, so that all boundaries look alike. */
	#rest: Buffer = Buffer.from(LINE_END);

	constructor(boundary: string) {
		this.#delimiter = Buffer.from(`${LINE_END}--${boundary}`);
	}

	get isOver(): boolean {
		return this.#state === "over";
	}

	*feed(chunk: Buffer): Generator<MultipartEvent> {
		this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
		for (;;) {
			const before = this.#rest.length;
			const state = this.#state;
			yield* this.#step();
			if (this.#state === "over" || (this.#state === state && this.#rest.length === before)) return;
		}
	}

	*#step(): Generator<MultipartEvent> {
		switch (this.#state) {
			case "before":
			case "bytes":
				yield* this.#readBytes(this.#state === "bytes");
				break;
			case "boundary":
				this.#readBoundary();
				break;
			case "headers": {
				const part = this.#readHeaders();
				if (part !== undefined) yield part;
				break;
			}
			case "over":
				this.#rest = Buffer.alloc(0);
		}
	}

	/** Up to the next boundary, or to where one may begin. */
	*#readBytes(isOfPart: boolean): Generator<MultipartEvent> {
		const at = this.#rest.indexOf(this.#delimiter);
		const end = at >= 0 ? at : Math.max(0, this.#rest.length - this.#delimiter.length + 1);
		if (isOfPart && end > 0) yield { kind: "bytes", bytes: this.#rest.subarray(0, end) };
		this.#rest = this.#rest.subarray(at >= 0 ? end + this.#delimiter.length : end);
		if (at >= 0) this.#state = "boundary";
	}

	#readBoundary(): void {
		if (this.#rest.length < CLOSING.length) return;
		const next = this.#rest.toString("latin1", 0, CLOSING.length);
		if (next !== CLOSING && next !== LINE_END) throw new MultipartError("a boundary is followed by neither a line end nor --");
		this.#state = next === CLOSING ? "over" : "headers";
		this.#rest = this.#rest.subarray(CLOSING.length);
	}

	#readHeaders(): MultipartEvent | undefined {
		const end = this.#rest.indexOf(HEADERS_END);
		if (end < 0) {
			if (this.#rest.length > HEADER_BYTES_MAX) throw new MultipartError("the headers of a part are too long");
			return undefined;
		}
		const headers = this.#rest.toString("utf8", 0, end).split(LINE_END);
		this.#rest = this.#rest.subarray(end + HEADERS_END.length);
		this.#state = "bytes";
		const disposition = headers.find((header) => /^content-disposition:/i.test(header)) ?? "";
		const name = parameterOf(disposition, "name");
		if (name === undefined) throw new MultipartError("a part has no name");
		return { kind: "part", name, filename: parameterOf(disposition, "filename") };
	}
}

/** Quotes within are written %22 by browsers and by fetch, and with a backslash by others. */
function parameterOf(header: string, name: string): string | undefined {
	const [, quoted, plain] = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, "i").exec(header) ?? [];
	return quoted?.replace(/\\(.)/g, "$1").replaceAll("%22", '"') ?? plain;
}
