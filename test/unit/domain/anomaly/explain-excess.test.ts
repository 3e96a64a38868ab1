import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EXCESS_MOVEMENTS, type ExcessLeaf, explainExcess } from "#domain/anomaly/explain-excess.ts";

type Sums = readonly [calls: number, tokens: number, amount: number];

/** One leaf: of today, and of all like days together. */
function leaf(groups: Partial<ExcessLeaf["groups"]>, now: Sums, usual: Sums): ExcessLeaf {
	return {
		groups: { feature: "chat", model: "small", key: "key_1", ...groups },
		...{ calls: BigInt(now[0]), tokens: BigInt(now[1]), amountNanoUsd: BigInt(now[2]) },
		...{ usualCalls: BigInt(usual[0]), usualTokens: BigInt(usual[1]), usualAmountNanoUsd: BigInt(usual[2]) },
	};
}

describe("the part that moved", () => {
	const quiet = [
		leaf({ feature: "search", key: "key_2" }, [10, 1_000, 1_000], [20, 2_000, 2_000]),
		leaf({ feature: "mail", model: "large" }, [10, 1_000, 5_000], [20, 2_000, 10_000]),
	];

	test("is named as narrowly as four fifths of the excess allow", () => {
		const cause = explainExcess([...quiet, leaf({ key: "key_9" }, [90, 9_000, 9_000], [20, 2_000, 2_000])], 2);
		expect(cause).toMatchObject({
			groups: { feature: "chat", model: "small", key: "key_9" },
			amountNanoUsd: 9_000n,
			usualNanoUsd: 1_000n,
			excessNanoUsd: 8_000n,
			largest: "volume",
		});
	});

	test("is a model where one model moved in every feature and by every key", () => {
		const leaves = ["a", "b", "c"].map((feature) => leaf({ feature, model: "large", key: `key_${feature}` }, [30, 3_000, 3_000], [20, 2_000, 2_000]));
		expect(explainExcess([...quiet, ...leaves], 2)?.groups).toEqual({ model: "large" });
	});

	test("is the whole where everything moved alike, and none where there is no excess", () => {
		const leaves = ["a", "b", "c"].flatMap((feature) =>
			["x", "y"].map((model) => leaf({ feature, model, key: `key_${feature}${model}` }, [20, 2_000, 2_000], [10, 1_000, 1_000])),
		);
		expect(explainExcess(leaves, 1)?.groups).toEqual({});
		expect(explainExcess(quiet, 2)).toBeUndefined();
	});
});

describe("what moved in it", () => {
	const largest = (now: Sums, usual: Sums) => explainExcess([leaf({}, now, usual)], 1)?.largest;

	test("more calls, more tokens for each, or dearer tokens", () => {
		expect(largest([30, 3_000, 3_000], [10, 1_000, 1_000])).toBe("volume");
		expect(largest([10, 3_000, 3_000], [10, 1_000, 1_000])).toBe("tokensPerCall");
		expect(largest([10, 1_000, 3_000], [10, 1_000, 1_000])).toBe("price");
	});

	test("another model for the same calls", () => {
		const switched = [leaf({ model: "small" }, [1, 100, 100], [100, 10_000, 10_000]), leaf({ model: "large" }, [99, 9_900, 99_000], [0, 0, 0])];
		// The excess is of the large model alone; beside it the small one lost its calls.
		expect(explainExcess(switched, 1)).toMatchObject({ groups: { model: "large" }, largest: "volume" });
		const both = [
			leaf({ model: "small" }, [40, 4_000, 4_000], [80, 8_000, 8_000]),
			...["l1", "l2"].map((model) => leaf({ model }, [30, 3_000, 30_000], [10, 1_000, 10_000])),
		];
		expect(explainExcess(both, 1)).toMatchObject({ groups: { feature: "chat", key: "key_1" }, largest: "mix" });
	});

	test("adds up to the excess, to the nano-dollar, whatever moved", () => {
		const sums = fc.tuple(fc.nat(1_000), fc.nat(1_000_000), fc.nat(1_000_000_000));
		const leaves = fc.array(
			fc
				.record({ feature: fc.constantFrom("a", "b"), model: fc.constantFrom("x", "y", "z"), now: sums, usual: sums })
				.map(({ feature, model, now, usual }) => leaf({ feature, model }, now, usual)),
			{ minLength: 1, maxLength: 8 },
		);
		fc.assert(
			fc.property(leaves, fc.integer({ min: 1, max: 6 }), (all, likeDays) => {
				const cause = explainExcess(all, likeDays);
				if (cause === undefined) return;
				expect(EXCESS_MOVEMENTS.reduce((sum, movement) => sum + cause.movements[movement], 0n)).toBe(cause.excessNanoUsd);
			}),
		);
	});
});
