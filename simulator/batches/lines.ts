import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Files of lines, read and written a piece at a time. */

const READ_BYTES = 256 * 1024;
const WRITE_BYTES = 1024 * 1024;
const LINE_BYTES_MAX = 32 * 1024 * 1024;
const NEWLINE = 0x0a;

export type Line = {
	/** Without its end; empty where the line is too long to be read. */
	readonly bytes: Buffer;
	readonly startByte: number;
	/** Where the next line begins. */
	readonly nextByte: number;
	readonly isTooLong: boolean;
	/** False for a last line without an end. */
	readonly isEnded: boolean;
};

/** From `startByte` to the end of the file. */
export async function* readLines(path: string, startByte = 0): AsyncGenerator<Line> {
	let pieces: Buffer[] = [];
	let lineStart = startByte;
	let length = 0;
	const close = (nextByte: number, isEnded: boolean): Line => {
		const isTooLong = length > LINE_BYTES_MAX;
		const line = { bytes: isTooLong ? Buffer.alloc(0) : Buffer.concat(pieces), startByte: lineStart, nextByte, isTooLong, isEnded };
		pieces = [];
		lineStart = nextByte;
		length = 0;
		return line;
	};
	const take = (piece: Buffer): void => {
		length += piece.length;
		if (length <= LINE_BYTES_MAX) pieces.push(piece);
		else pieces = [];
	};
	let chunkStart = startByte;
	for await (const chunk of createReadStream(path, { start: startByte, highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>) {
		let from = 0;
		for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
			take(chunk.subarray(from, end));
			from = end + 1;
			yield close(chunkStart + from, true);
		}
		take(chunk.subarray(from));
		chunkStart += chunk.length;
	}
	if (length > 0) yield close(chunkStart, false);
}

/** Writes a new file in pieces of a mebibyte. */
export class FileWriter {
	readonly path: string;
	readonly #file: FileHandle;
	#pieces: Buffer[] = [];
	#waitingBytes = 0;
	#bytes = 0;

	private constructor(path: string, file: FileHandle) {
		this.path = path;
		this.#file = file;
	}

	static async create(path: string): Promise<FileWriter> {
		return new FileWriter(path, await open(path, "w", 0o600));
	}

	/** Written so far, what waits included. */
	get bytes(): number {
		return this.#bytes;
	}

	async write(bytes: Buffer): Promise<void> {
		this.#pieces.push(bytes);
		this.#waitingBytes += bytes.length;
		this.#bytes += bytes.length;
		if (this.#waitingBytes >= WRITE_BYTES) await this.#flush();
	}

	async close(): Promise<void> {
		try {
			await this.#flush();
		} finally {
			await this.#file.close();
		}
	}

	async #flush(): Promise<void> {
		const bytes = Buffer.concat(this.#pieces);
		this.#pieces = [];
		this.#waitingBytes = 0;
		let written = 0;
		while (written < bytes.length) written += (await this.#file.write(bytes, written)).bytesWritten;
	}
}
