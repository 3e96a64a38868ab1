import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { contentBytesOf, sealSegments, unsealSegments } from "#activities/blobs/sealed-segments.ts";
import { collect, streamOf } from "#test/support/blob-stands.ts";

const SEGMENT_BYTES = 65_536;
const FRAME_BYTES = SEGMENT_BYTES + 28;
const KEY = randomBytes(32);
const CONTENT = randomBytes(3 * SEGMENT_BYTES + 100);

const seal = (content: Buffer, key = KEY) => collect(sealSegments(streamOf(content), key));
const unseal = (sealed: Buffer, fromByte = 0, key = KEY) =>
	collect(unsealSegments({ key, blob: "search/files/f1", bytes: sealed.length }, fromByte, (from) => streamOf(sealed.subarray(from))));
const frame = (sealed: Buffer, number: number) => sealed.subarray(number * FRAME_BYTES, (number + 1) * FRAME_BYTES);
const isDamaged = expect.objectContaining({ code: "blob.damaged", isRetryable: false });

test("what was sealed opens again and shows nothing of what it holds", async () => {
	const sealed = await seal(CONTENT);
	expect(sealed).toHaveLength(CONTENT.length + 4 * 28);
	expect(sealed.includes(CONTENT.subarray(1_000, 1_040))).toBe(false);
	expect((await unseal(sealed)).equals(CONTENT)).toBe(true);
	expect((await seal(CONTENT)).equals(sealed)).toBe(false);
});

test("from any segment the rest is read, and nothing before it is asked for", async () => {
	const sealed = await seal(CONTENT);
	const asked: number[] = [];
	const rest = unsealSegments({ key: KEY, blob: "b", bytes: sealed.length }, 2 * SEGMENT_BYTES + 7, (from) => {
		asked.push(from);
		return streamOf(sealed.subarray(from));
	});
	expect((await collect(rest)).equals(CONTENT.subarray(2 * SEGMENT_BYTES + 7))).toBe(true);
	expect(asked).toEqual([2 * FRAME_BYTES]);
});

test("two segments that change places are found", async () => {
	const sealed = await seal(CONTENT);
	const swapped = Buffer.concat([frame(sealed, 1), frame(sealed, 0), frame(sealed, 2), frame(sealed, 3)]);
	await expect(unseal(swapped)).rejects.toEqual(isDamaged);
	await expect(unseal(Buffer.concat([frame(sealed, 0), frame(sealed, 0), frame(sealed, 2), frame(sealed, 3)]))).rejects.toEqual(isDamaged);
});

test("a stream that ends with an earlier segment is found", async () => {
	const sealed = await seal(CONTENT);
	for (const frames of [1, 2, 3]) await expect(unseal(sealed.subarray(0, frames * FRAME_BYTES))).rejects.toEqual(isDamaged);
});

test("a stream that goes on behind its last segment is found", async () => {
	const whole = await seal(CONTENT.subarray(0, 2 * SEGMENT_BYTES));
	await expect(unseal(Buffer.concat([whole, frame(whole, 0)]))).rejects.toEqual(isDamaged);
	await expect(unseal(Buffer.concat([whole, await seal(CONTENT)]))).rejects.toEqual(isDamaged);
});

test("a reader that is given fewer bytes than there are is told", async () => {
	const sealed = await seal(CONTENT);
	const cut = unsealSegments({ key: KEY, blob: "b", bytes: sealed.length }, 0, () => streamOf(sealed.subarray(0, 2 * FRAME_BYTES)));
	await expect(collect(cut)).rejects.toEqual(isDamaged);
});

test("another key opens nothing", async () => {
	await expect(unseal(await seal(CONTENT), 0, randomBytes(32))).rejects.toEqual(isDamaged);
});

test("nothing is sealed as well, and lengths that nobody sealed are known", async () => {
	const sealed = await seal(Buffer.alloc(0));
	expect([sealed.length, contentBytesOf(sealed.length), (await unseal(sealed)).length]).toEqual([28, 0, 0]);
	expect([0, 27, FRAME_BYTES + 1, FRAME_BYTES + 28].map(contentBytesOf)).toEqual([undefined, undefined, undefined, undefined]);
	expect([29, FRAME_BYTES, FRAME_BYTES + 29].map(contentBytesOf)).toEqual([1, SEGMENT_BYTES, SEGMENT_BYTES + 1]);
});
