import { fstatSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";

/** A frame: payload length (u32 LE), CRC-32 of the payload (u32 LE), payload (JSON, UTF-8). Length 0 is never written. */
export const FRAME_HEADER_BYTES = 8;
const MAX_PAYLOAD_BYTES = 16 * 1_024 * 1_024;
const READ_BLOCK_BYTES = 1_024 * 1_024;
const OPENING_BRACE = 0x7b;

export type Frame = { readonly offset: number; readonly nextOffset: number; readonly json: string };

/**
 * How a file of frames ends: `clean`; `torn` (the last write did not complete, nothing intact follows);
 * `corrupt` (intact frames follow a broken one, so something that was written is missing).
 */
export type FramesEnd = { readonly kind: "clean" | "torn" | "corrupt"; readonly offset: number };

/** Writes text as a frame into `buffer` from `at` on and returns its size, or undefined when it does not fit. */
export function encodeFrame(buffer: Buffer, text: string, at = 0): number | undefined {
	// A UTF-16 unit takes at most three bytes of UTF-8.
	if (at + text.length * 3 + FRAME_HEADER_BYTES > buffer.length) return undefined;
	const payload = at + FRAME_HEADER_BYTES;
	const length = buffer.write(text, payload, "utf8");
	buffer.writeUInt32LE(length, at);
	buffer.writeUInt32LE(crc32(buffer.subarray(payload, payload + length)), at + 4);
	return FRAME_HEADER_BYTES + length;
}

/** The intact frame at `offset`, or undefined. */
export function readFrame(fileDescriptor: number, offset: number): Frame | undefined {
	const header = Buffer.alloc(FRAME_HEADER_BYTES);
	if (readSync(fileDescriptor, header, 0, FRAME_HEADER_BYTES, offset) < FRAME_HEADER_BYTES) return undefined;
	const length = header.readUInt32LE(0);
	if (length === 0 || length > MAX_PAYLOAD_BYTES) return undefined;
	const payload = Buffer.alloc(length);
	if (readSync(fileDescriptor, payload, 0, length, offset + FRAME_HEADER_BYTES) < length) return undefined;
	if (crc32(payload) !== header.readUInt32LE(4)) return undefined;
	return { offset, nextOffset: offset + FRAME_HEADER_BYTES + length, json: payload.toString("utf8") };
}

/** Intact frames from `from` on, in order, up to the first that is not; returns how the file ends. Reads `blockBytes` at a time, or one frame if it has more. */
export function* readFrames(fileDescriptor: number, from = 0, blockBytes = READ_BLOCK_BYTES): Generator<Frame, FramesEnd> {
	let block = Buffer.alloc(0);
	let blockOffset = from;
	let offset = from;
	for (;;) {
		const frame = decodeFrame(block, offset - blockOffset, blockOffset);
		if (frame) {
			offset = frame.nextOffset;
			yield frame;
			continue;
		}
		const size = Math.max(blockBytes, wantedBytes(block, offset - blockOffset));
		const wider = Buffer.alloc(size);
		const read = readSync(fileDescriptor, wider, 0, size, offset);
		if (read === 0) return { kind: "clean", offset };
		const isNothingNew = blockOffset === offset && read <= block.length;
		if (isNothingNew) return { kind: hasIntactFrame(fileDescriptor, offset + 1) ? "corrupt" : "torn", offset };
		block = wider.subarray(0, read);
		blockOffset = offset;
	}
}

/** Bytes that the frame at `at` says it has; 0 where it cannot be a frame. */
function wantedBytes(block: Buffer, at: number): number {
	if (block.length - at < FRAME_HEADER_BYTES) return 0;
	const length = block.readUInt32LE(at);
	return length > MAX_PAYLOAD_BYTES ? 0 : FRAME_HEADER_BYTES + length;
}

function decodeFrame(block: Buffer, at: number, blockOffset: number): Frame | undefined {
	if (block.length - at < FRAME_HEADER_BYTES) return undefined;
	const length = block.readUInt32LE(at);
	const end = at + FRAME_HEADER_BYTES + length;
	if (length === 0 || length > MAX_PAYLOAD_BYTES || end > block.length) return undefined;
	const payload = block.subarray(at + FRAME_HEADER_BYTES, end);
	if (crc32(payload) !== block.readUInt32LE(at + 4)) return undefined;
	return { offset: blockOffset + at, nextOffset: blockOffset + end, json: payload.toString("utf8") };
}

function hasIntactFrame(fileDescriptor: number, from: number): boolean {
	const size = fstatSync(fileDescriptor).size - from;
	if (size <= 0) return false;
	const rest = Buffer.alloc(size);
	const block = rest.subarray(0, readSync(fileDescriptor, rest, 0, size, from));
	let brace = block.indexOf(OPENING_BRACE, FRAME_HEADER_BYTES);
	while (brace !== -1) {
		if (decodeFrame(block, brace - FRAME_HEADER_BYTES, from)) return true;
		brace = block.indexOf(OPENING_BRACE, brace + 1);
	}
	return false;
}
