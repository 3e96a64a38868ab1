/** What a piece of an answer told. */
export type ReadStep = "more" | "complete" | "broken";

const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const CLOSES = /\r\nconnection: *close/i;

/**
 * Reads one HTTP/1.1 answer from the bytes of a connection, length-delimited or chunked: no more of the protocol than the
 * servers under test speak, so that the load costs less than what is measured. Anything else is "broken".
 */
export class AnswerReader {
	status = 0;
	/** The connection ends after this answer. */
	isLast = false;
	private held: Buffer | undefined;
	private pieces: Buffer[] = [];
	private hasHead = false;
	private isChunked = false;
	/** Bytes left of the body, or of the chunk under way. */
	private left = 0;
	private hasLastChunk = false;

	/** Forgets the answer before. */
	reset(): void {
		this.status = 0;
		this.isLast = false;
		this.held = undefined;
		this.pieces = [];
		this.hasHead = false;
		this.isChunked = false;
		this.left = 0;
		this.hasLastChunk = false;
	}

	/** Takes what arrived; `onBody` sees each piece of the body as it comes. */
	push(arrived: Buffer, onBody?: (piece: Buffer) => void): ReadStep {
		let bytes = this.held === undefined ? arrived : Buffer.concat([this.held, arrived]);
		this.held = undefined;
		if (!this.hasHead) {
			const end = bytes.indexOf(HEAD_END);
			if (end < 0) return this.hold(bytes);
			if (!this.readHead(bytes.toString("latin1", 0, end))) return "broken";
			bytes = bytes.subarray(end + HEAD_END.length);
		}
		return this.isChunked ? this.readChunks(bytes, onBody) : this.readLength(bytes, onBody);
	}

	/** The whole body, once complete. */
	body(): Buffer {
		const [first] = this.pieces;
		return this.pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.pieces);
	}

	private readHead(head: string): boolean {
		if (!head.startsWith("HTTP/1.1 ")) return false;
		this.hasHead = true;
		this.status = Number(head.slice(9, 12));
		this.isLast = CLOSES.test(head);
		this.isChunked = CHUNKED.test(head);
		const length = CONTENT_LENGTH.exec(head)?.[1];
		this.left = this.isChunked ? 0 : Number(length ?? Number.NaN);
		return this.isChunked || length !== undefined;
	}

	private readLength(bytes: Buffer, onBody?: (piece: Buffer) => void): ReadStep {
		if (bytes.length > this.left) return "broken";
		this.take(bytes, onBody);
		this.left -= bytes.length;
		return this.left === 0 ? "complete" : "more";
	}

	private readChunks(arrived: Buffer, onBody?: (piece: Buffer) => void): ReadStep {
		let bytes = arrived;
		while (bytes.length > 0) {
			if (this.left > 0) {
				// The two bytes after a chunk belong to it.
				const piece = bytes.subarray(0, this.left);
				const inChunk = Math.max(0, Math.min(piece.length, this.left - LINE_END.length));
				this.take(piece.subarray(0, inChunk), onBody);
				this.left -= piece.length;
				bytes = bytes.subarray(piece.length);
				if (this.left === 0 && this.hasLastChunk) return bytes.length === 0 ? "complete" : "broken";
				continue;
			}
			const end = bytes.indexOf(LINE_END);
			if (end < 0) return this.hold(bytes);
			const size = Number.parseInt(bytes.toString("latin1", 0, end), 16);
			if (Number.isNaN(size)) return "broken";
			this.hasLastChunk = size === 0;
			this.left = size + LINE_END.length;
			bytes = bytes.subarray(end + LINE_END.length);
		}
		return "more";
	}

	private take(piece: Buffer, onBody?: (piece: Buffer) => void): void {
		if (piece.length === 0) return;
		this.pieces.push(piece);
		onBody?.(piece);
	}

	private hold(bytes: Buffer): ReadStep {
		this.held = bytes;
		return "more";
	}
}
