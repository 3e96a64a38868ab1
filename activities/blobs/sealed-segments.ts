import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { blobDamaged } from "./blob-errors.ts";
import { inPieces, withoutStart } from "./stream-pieces.ts";

/**
 * AES-256-GCM over a stream in segments of 64 KiB, each sealed by itself, so that a reader can begin anywhere and gets no byte that was
 * not authenticated. A frame is nonce (12 random bytes), tag (16 bytes) and text. What a segment is sealed with besides its text is its
 * place: its number, and whether it is the last. So a cut, a swap and an append are found as a changed bit is.
 * The key belongs to this one stream (blob-keys.ts): frames of another one, or of an earlier blob of the same name, do not open.
 */
const ALGORITHM = "aes-256-gcm";
const SEGMENT_BYTES = 65_536;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEAL_BYTES = NONCE_BYTES + TAG_BYTES;
const FRAME_BYTES = SEGMENT_BYTES + SEAL_BYTES;

/** What is sealed, as a reader knows it: `bytes` in all its frames, `blob` its name, for errors. */
export type SealedContent = { readonly key: Buffer; readonly blob: string; readonly bytes: number };

/** At least one frame, also over nothing. */
export async function* sealSegments(content: AsyncIterable<Uint8Array>, key: Buffer): AsyncGenerator<Buffer> {
	let number = 0;
	let waiting: Buffer | undefined;
	// One segment waits for the next: only then it is known not to be the last.
	for await (const segment of inPieces(content, SEGMENT_BYTES)) {
		if (waiting !== undefined) yield sealSegment(waiting, key, placeOf(number++, false));
		waiting = segment;
	}
	yield sealSegment(waiting ?? Buffer.alloc(0), key, placeOf(number, true));
}

/** How many bytes so many sealed ones hold; undefined: nobody sealed so many. */
export function contentBytesOf(sealedBytes: number): number | undefined {
	const frames = Math.ceil(sealedBytes / FRAME_BYTES);
	const lastBytes = sealedBytes - (frames - 1) * FRAME_BYTES - SEAL_BYTES;
	// Only a stream of nothing ends with an empty segment.
	return frames < 1 || lastBytes < 0 || (lastBytes === 0 && frames > 1) ? undefined : sealedBytes - frames * SEAL_BYTES;
}

/**
 * The content from `fromByte` on. `readSealed` reads the frames from the byte with that number on.
 *
 * @throws CostControlError "blob.damaged" before any byte of a segment that does not open.
 */
export async function* unsealSegments(
	content: SealedContent,
	fromByte: number,
	readSealed: (fromSealedByte: number) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
	const first = Math.floor(fromByte / SEGMENT_BYTES);
	yield* withoutStart(unsealFrames(content, first, readSealed(first * FRAME_BYTES)), fromByte - first * SEGMENT_BYTES);
}

async function* unsealFrames({ key, blob, bytes }: SealedContent, first: number, frames: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
	const last = Math.ceil(bytes / FRAME_BYTES) - 1;
	let number = first;
	for await (const frame of inPieces(frames, FRAME_BYTES)) {
		const segment = unsealSegment(frame, key, placeOf(number, number === last));
		if (segment === undefined) throw blobDamaged(blob, `fails its authentication in segment ${number} of ${last + 1}`);
		yield segment;
		number += 1;
	}
	if (number !== last + 1) throw blobDamaged(blob, "is shorter than written");
}

function placeOf(number: number, isLast: boolean): Buffer {
	const place = Buffer.alloc(9);
	place.writeBigUInt64BE(BigInt(number));
	place.writeUInt8(isLast ? 1 : 0, 8);
	return place;
}

function sealSegment(segment: Buffer, key: Buffer, place: Buffer): Buffer {
	const nonce = randomBytes(NONCE_BYTES);
	const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
	cipher.setAAD(place);
	const text = Buffer.concat([cipher.update(segment), cipher.final()]);
	return Buffer.concat([nonce, cipher.getAuthTag(), text]);
}

function unsealSegment(frame: Buffer, key: Buffer, place: Buffer): Buffer | undefined {
	if (frame.length < SEAL_BYTES) return undefined;
	const decipher = createDecipheriv(ALGORITHM, key, frame.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
	decipher.setAAD(place);
	decipher.setAuthTag(frame.subarray(NONCE_BYTES, SEAL_BYTES));
	const text = decipher.update(frame.subarray(SEAL_BYTES));
	try {
		return Buffer.concat([text, decipher.final()]);
	} catch {
		return undefined; // node:crypto has no code for it: the tag does not match, which is the answer
	}
}
