import fc from "fast-check";
import { expect, test } from "vitest";
import { KeptBytes } from "#activities/telemetry/kept-bytes.ts";

test("is all of what fits, else its beginning and its end, and never more than it may keep", () => {
	fc.assert(
		fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 }), fc.nat(100), fc.nat(100), (pieces, headBytesMax, tailBytesMax) => {
			const kept = new KeptBytes(headBytesMax, tailBytesMax);
			const all = Buffer.concat(pieces);
			for (const piece of pieces) kept.push(Buffer.from(piece));
			const { head, tail, hasGap } = kept;
			expect(head.length).toBeLessThanOrEqual(headBytesMax);
			expect(tail.length).toBeLessThanOrEqual(tailBytesMax);
			expect(kept.bytes).toBe(head.length + tail.length);
			expect(all.subarray(0, head.length).equals(head)).toBe(true);
			expect(all.subarray(all.length - tail.length).equals(tail)).toBe(true);
			expect(hasGap).toBe(head.length + tail.length < all.length);
		}),
	);
});

test("what was let go of is gone, and said to be", () => {
	const kept = new KeptBytes(10, 10);
	kept.push(Buffer.from("hello"));
	kept.letGo();
	expect([kept.bytes, kept.head.length, kept.hasGap]).toEqual([0, 0, true]);
});
