import { describe, expect, test } from "vitest";
import { limitPassedBy, PartCutter, type PartLimits, splitIntoParts } from "#domain/batching/split-parts.ts";

const LIMITS: PartLimits = { itemsMax: 3, bytesMax: 1_000, embeddingInputsMax: 10, enqueuedTokensMax: 100, itemOverheadBytes: 50 };
const item = (n: number, of: { bytes?: number; boundInputTokens?: number; embeddingInputs?: number } = {}) => ({ n, bytes: 100, boundInputTokens: 10, ...of });
const numbers = (parts: readonly (readonly { readonly n: number }[])[]): number[][] => parts.map((part) => part.map(({ n }) => n));

describe("items are cut into parts", () => {
	test("of as many as a limit allows exactly, in their order", () => {
		const { parts, tooLarge } = splitIntoParts(
			[1, 2, 3, 4, 5, 6, 7].map((n) => item(n)),
			LIMITS,
		);
		expect(numbers(parts)).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
		expect(tooLarge).toEqual([]);
	});

	test.each([
		["bytes, with what stands around each body", { bytes: 450 }],
		["inputs of embeddings", { embeddingInputs: 5 }],
		["tokens enqueued at the provider", { boundInputTokens: 50 }],
	])("by %s", (_, size) => {
		expect(
			numbers(
				splitIntoParts(
					[1, 2, 3, 4, 5].map((n) => item(n, size)),
					LIMITS,
				).parts,
			),
		).toEqual([[1, 2], [3, 4], [5]]);
	});

	test("none of none", () => {
		expect(splitIntoParts([], LIMITS)).toEqual({ parts: [], tooLarge: [] });
	});

	test("a limit that the provider does not set cuts nothing", () => {
		const unlimited = { ...LIMITS, embeddingInputsMax: undefined, enqueuedTokensMax: undefined };
		const large = [1, 2, 3].map((n) => item(n, { boundInputTokens: 1e9, embeddingInputs: 1e9 }));
		expect(numbers(splitIntoParts(large, unlimited).parts)).toEqual([[1, 2, 3]]);
	});
});

describe("an item that no part can carry", () => {
	test("is named with the limit it passes, and the others keep their part", () => {
		const large = item(2, { bytes: 951 });
		const { parts, tooLarge } = splitIntoParts([item(1), large, item(3)], LIMITS);
		expect(numbers(parts)).toEqual([[1, 3]]);
		expect(tooLarge).toEqual([{ item: large, limit: "bytes", amount: 1_001, amountMax: 1_000 }]);
	});

	test.each([
		[{ bytes: 950 }, undefined],
		[{ embeddingInputs: 11 }, { limit: "embedding_inputs", amount: 11, amountMax: 10 }],
		[{ boundInputTokens: 101 }, { limit: "enqueued_tokens", amount: 101, amountMax: 100 }],
		[
			{ bytes: 2_000, boundInputTokens: 101 },
			{ limit: "bytes", amount: 2_050, amountMax: 1_000 },
		],
	])("%o: %o", (size, passed) => {
		expect(limitPassedBy(item(1, size), LIMITS)).toEqual(passed);
	});

	test("opens no part when it comes first", () => {
		const cutter = new PartCutter(LIMITS);
		expect(cutter.place(item(1, { bytes: 5_000 }))).toMatchObject({ kind: "too_large", limit: "bytes" });
		expect(cutter.sums.items).toBe(0);
		expect(cutter.place(item(2))).toEqual({ kind: "placed", part: 1, isFirst: true });
		expect(cutter.sums).toEqual({ items: 1, bytes: 150, embedding_inputs: 1, enqueued_tokens: 10 });
	});
});
