import { NONCE } from "../driver/load-target.ts";

export type ReceivedCall = { readonly attemptId: string | undefined; readonly nonce: string };

const HEAD_END = Buffer.from("\r\n\r\n");
const NONCE_PREFIX = NONCE.slice(0, NONCE.indexOf("-") + 1);
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked/i;
const ATTEMPT_ID = /\r\nx-client-request-id: *([^\r\n]+)/i;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/**
 * Reads calls from the bytes of a connection and keeps of each what an answer and a log line need. A body in chunks is read to
 * its last chunk without being put together: the nonce stands in the prompt's first bytes. "Broken" is what carries no nonce.
 */
export class RequestReader {
	isBroken = false;
	private held: Buffer[] = [];
	private heldBytes = 0;
	/** Bytes of the call under way, head included; known once the head is there, Infinity for chunks. */
	private wantedBytes = 0;

	/** Takes what arrived; answers the calls that are complete with it. */
	push(arrived: Buffer): ReceivedCall[] {
		this.held.push(arrived);
		this.heldBytes += arrived.length;
		const calls: ReceivedCall[] = [];
		// A long body is put together once, when it is all there.
		while (this.heldBytes > 0 && !this.isBroken && (this.wantedBytes === Number.POSITIVE_INFINITY || this.heldBytes >= this.wantedBytes)) {
			const bytes = this.held.length === 1 && this.held[0] !== undefined ? this.held[0] : Buffer.concat(this.held);
			this.held = [bytes];
			const length = this.lengthOf(bytes);
			if (length === undefined || length > bytes.length) break;
			calls.push(...this.read(bytes.subarray(0, length)));
			this.held = bytes.length > length ? [bytes.subarray(length)] : [];
			this.heldBytes = bytes.length - length;
			this.wantedBytes = 0;
		}
		return calls;
	}

	/** Length of the first call in `bytes`; undefined while that is not known. */
	private lengthOf(bytes: Buffer): number | undefined {
		const headEnd = bytes.indexOf(HEAD_END);
		if (headEnd < 0) return undefined;
		const head = bytes.toString("latin1", 0, headEnd);
		if (CHUNKED.test(head)) {
			this.wantedBytes = Number.POSITIVE_INFINITY;
			const end = bytes.indexOf(LAST_CHUNK, headEnd);
			return end < 0 ? undefined : end + LAST_CHUNK.length;
		}
		this.wantedBytes = headEnd + HEAD_END.length + Number(CONTENT_LENGTH.exec(head)?.[1] ?? 0);
		return this.wantedBytes;
	}

	private read(call: Buffer): ReceivedCall[] {
		const headEnd = call.indexOf(HEAD_END);
		const nonceAt = call.indexOf(NONCE_PREFIX, headEnd);
		if (nonceAt < 0) {
			this.isBroken = true;
			return [];
		}
		const attemptId = ATTEMPT_ID.exec(call.toString("latin1", 0, headEnd))?.[1]?.trim();
		return [{ attemptId, nonce: call.toString("latin1", nonceAt, nonceAt + NONCE.length) }];
	}
}
