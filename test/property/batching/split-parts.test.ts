import fc from "fast-check";
import { expect, test } from "vitest";
import { limitPassedBy, type PartItem, type PartLimits, splitIntoParts } from "#domain/batching/split-parts.ts";

const item: fc.Arbitrary<PartItem> = fc.record(
	{ bytes: fc.nat(120), boundInputTokens: fc.nat(60), embeddingInputs: fc.integer({ min: 1, max: 12 }) },
	{ requiredKeys: ["bytes", "boundInputTokens"] },
);
const limits: fc.Arbitrary<PartLimits> = fc.record({
	itemsMax: fc.integer({ min: 1, max: 8 }),
	bytesMax: fc.integer({ min: 20, max: 400 }),
	embeddingInputsMax: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
	enqueuedTokensMax: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
	itemOverheadBytes: fc.nat(20),
});

/** A part as one item: what its items come to. */
function isWithin(part: readonly PartItem[], by: PartLimits): boolean {
	const sum = (measure: (one: PartItem) => number): number => part.reduce((total, one) => total + measure(one), 0);
	return (
		part.length <= by.itemsMax &&
		sum(({ bytes }) => bytes + by.itemOverheadBytes) <= by.bytesMax &&
		sum(({ embeddingInputs }) => embeddingInputs ?? 1) <= (by.embeddingInputsMax ?? Number.POSITIVE_INFINITY) &&
		sum(({ boundInputTokens }) => boundInputTokens) <= (by.enqueuedTokensMax ?? Number.POSITIVE_INFINITY)
	);
}

test("every item stands in one part, in its order, or is named as too large; no part passes a limit, none could take the item after it", () => {
	fc.assert(
		fc.property(fc.array(item, { maxLength: 60 }), limits, (items, by) => {
			const { parts, tooLarge } = splitIntoParts(items, by);
			expect(parts.flat()).toEqual(items.filter((one) => limitPassedBy(one, by) === undefined));
			expect(tooLarge.map((one) => one.item)).toEqual(items.filter((one) => limitPassedBy(one, by) !== undefined));
			for (const [index, part] of parts.entries()) {
				expect(part.length > 0 && isWithin(part, by)).toBe(true);
				const next = parts[index + 1]?.[0];
				if (next !== undefined) expect(isWithin([...part, next], by)).toBe(false);
			}
		}),
		{ numRuns: 500 },
	);
});

test("an item is too large exactly where it passes a limit by itself, and the limit that is named is passed", () => {
	fc.assert(
		fc.property(item, limits, (one, by) => {
			const passed = limitPassedBy(one, by);
			expect(passed === undefined).toBe(isWithin([one], by));
			if (passed !== undefined) expect(passed.amount).toBeGreaterThan(passed.amountMax);
		}),
	);
});
