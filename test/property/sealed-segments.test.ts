import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentBytesOf, sealSegments, unsealSegments } from "#activities/blobs/sealed-segments.ts";
import { collect, streamOf } from "#test/support/blob-stands.ts";

const SEGMENT_BYTES = 65_536;
const FRAME_BYTES = SEGMENT_BYTES + 28;
const KEY = createHash("sha256").update("a key").digest();

/** Lengths around the edges of segments, and any. */
const lengthOf = fc.oneof(
	fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 })).map(([segments, off]) => Math.max(0, segments * SEGMENT_BYTES + off)),
	fc.integer({ min: 0, max: 4 * SEGMENT_BYTES }),
);
/** Every byte differs from its neighbours, and every segment from every other. */
const WHOLE = Buffer.from(Uint8Array.from({ length: 4 * SEGMENT_BYTES }, (_, index) => (index * 31 + (index >> 8) * 7 + (index >> 16)) & 255));
const content = lengthOf.map((length) => WHOLE.subarray(0, length));

const unseal = (sealed: Buffer, fromByte: number, chunkBytes: number): AsyncGenerator<Uint8Array> =>
	unsealSegments({ key: KEY, blob: "search/files/f1", bytes: sealed.length }, fromByte, (from) => streamOf(sealed.subarray(from), chunkBytes));

/** What somebody who has no key can make of a stream. */
const tampering = fc.oneof(
	fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) }),
	fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
	fc.record({ kind: fc.constant("cut at a frame" as const), at: fc.nat() }),
	fc.record({ kind: fc.constant("append" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 100 }) }),
	fc.record({ kind: fc.constant("append a frame" as const), from: fc.nat() }),
	fc.record({ kind: fc.constant("drop a frame" as const), from: fc.nat() }),
	fc.record({ kind: fc.constant("put a frame in another's place" as const), from: fc.nat(), at: fc.nat() }),
	fc.record({ kind: fc.constant("swap frames" as const), from: fc.nat(), at: fc.nat() }),
);
type Tampering = typeof tampering extends fc.Arbitrary<infer Value> ? Value : never;

function framesOf(sealed: Buffer): Buffer[] {
	return Array.from({ length: Math.ceil(sealed.length / FRAME_BYTES) }, (_, number) => sealed.subarray(number * FRAME_BYTES, (number + 1) * FRAME_BYTES));
}

function tamper(sealed: Buffer, how: Tampering): Buffer {
	const frames = framesOf(sealed);
	const place = (number: number): number => number % frames.length;
	switch (how.kind) {
		case "flip": {
			const changed = Buffer.from(sealed);
			changed[how.at % sealed.length]! ^= 1 << how.bit;
			return changed;
		}
		case "cut":
			return sealed.subarray(0, how.at % sealed.length);
		case "cut at a frame":
			return Buffer.concat(frames.slice(0, place(how.at)));
		case "append":
			return Buffer.concat([sealed, how.bytes]);
		case "append a frame":
			return Buffer.concat([sealed, frames[place(how.from)]!]);
		case "drop a frame":
			return Buffer.concat(frames.toSpliced(place(how.from), 1));
		case "put a frame in another's place":
			return Buffer.concat(frames.with(place(how.at), frames[place(how.from)]!));
		case "swap frames":
			return Buffer.concat(frames.with(place(how.at), frames[place(how.from)]!).with(place(how.from), frames[place(how.at)]!));
	}
}

describe("a sealed stream", () => {
	it("holds what was sealed, however it was cut into chunks, from any byte on", async () => {
		await fc.assert(
			fc.asyncProperty(
				content,
				fc.integer({ min: 1_000, max: 200_000 }),
				fc.integer({ min: 1_000, max: 200_000 }),
				fc.nat(),
				async (bytes, written, read, start) => {
					const sealed = await collect(sealSegments(streamOf(bytes, written), KEY));
					expect(contentBytesOf(sealed.length)).toBe(bytes.length);
					const from = start % (bytes.length + 1);
					expect((await collect(unseal(sealed, from, read))).equals(bytes.subarray(from))).toBe(true);
				},
			),
			{ numRuns: 150 },
		);
	});

	it("that anybody changed gives no byte that was not sealed there, and is found", async () => {
		await fc.assert(
			fc.asyncProperty(content, tampering, async (bytes, how) => {
				const sealed = await collect(sealSegments(streamOf(bytes, 60_000), KEY));
				const changed = tamper(sealed, how);
				fc.pre(!changed.equals(sealed));
				if (contentBytesOf(changed.length) === undefined) return;
				const seen: Uint8Array[] = [];
				const readAll = async (): Promise<void> => {
					for await (const chunk of unseal(changed, 0, 100_000)) seen.push(chunk);
				};
				await expect(readAll()).rejects.toMatchObject({ code: "blob.damaged" });
				const got = Buffer.concat(seen);
				expect(got.equals(bytes.subarray(0, got.length))).toBe(true);
			}),
			{ numRuns: 400 },
		);
	});
});
