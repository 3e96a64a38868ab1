import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ContextTier, PriceLine, PriceTier, TokenPrices } from "#domain/pricing/price-book.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { LINE } from "#test/support/price-lines.ts";

const price = fc.bigInt({ min: 0n, max: 200_000_000_000n });
const prices: fc.Arbitrary<TokenPrices> = fc.record({
	input: price,
	cachedInput: price,
	cacheWrite5m: price,
	cacheWrite1h: price,
	output: price,
	reasoning: price,
});
/** Long context is never cheaper in any class, as in every published price list. */
const contexts: fc.Arbitrary<readonly ContextTier[]> = fc
	.tuple(prices, fc.integer({ min: 1, max: 5000 }), fc.boolean())
	.map(([base, aboveInputTokens, hasLong]) =>
		hasLong
			? [
					{ aboveInputTokens: 0, prices: base },
					{ aboveInputTokens, prices: doubled(base) },
				]
			: [{ aboveInputTokens: 0, prices: base }],
	);
const line: fc.Arbitrary<PriceLine> = fc.tuple(contexts, contexts).map(([standard, priority]) => ({ ...LINE, tiers: { standard, priority } }));
const flatLine: fc.Arbitrary<PriceLine> = prices.map((base) => ({ ...LINE, tiers: { standard: [{ aboveInputTokens: 0, prices: base }] } }));

const tokens = fc.integer({ min: 0, max: 10_000 });
const usage: fc.Arbitrary<Usage> = fc
	.record({ uncached: tokens, cachedInputTokens: tokens, cacheWrite5mTokens: tokens, cacheWrite1hTokens: tokens, visible: tokens, reasoningTokens: tokens })
	.map(({ uncached, visible, ...parts }) => ({
		...parts,
		inputTokens: uncached + parts.cachedInputTokens + parts.cacheWrite5mTokens + parts.cacheWrite1hTokens,
		outputTokens: visible + parts.reasoningTokens,
	}));
const tier = fc.constantFrom<PriceTier | undefined>("standard", "priority", "batch", undefined);

function doubled(base: TokenPrices): TokenPrices {
	return {
		input: base.input * 2n,
		cachedInput: base.cachedInput * 2n,
		cacheWrite5m: base.cacheWrite5m * 2n,
		cacheWrite1h: base.cacheWrite1h * 2n,
		output: base.output * 2n,
		reasoning: base.reasoning * 2n,
	};
}

function plus(left: Usage, right: Usage): Usage {
	return {
		inputTokens: left.inputTokens + right.inputTokens,
		cachedInputTokens: left.cachedInputTokens + right.cachedInputTokens,
		cacheWrite5mTokens: left.cacheWrite5mTokens + right.cacheWrite5mTokens,
		cacheWrite1hTokens: left.cacheWrite1hTokens + right.cacheWrite1hTokens,
		outputTokens: left.outputTokens + right.outputTokens,
		reasoningTokens: left.reasoningTokens + right.reasoningTokens,
	};
}

const GROWTH: readonly Usage[] = [
	{ ...NO_USAGE, inputTokens: 1 },
	{ ...NO_USAGE, inputTokens: 1, cachedInputTokens: 1 },
	{ ...NO_USAGE, inputTokens: 1, cacheWrite5mTokens: 1 },
	{ ...NO_USAGE, inputTokens: 1, cacheWrite1hTokens: 1 },
	{ ...NO_USAGE, outputTokens: 1 },
	{ ...NO_USAGE, outputTokens: 1, reasoningTokens: 1 },
];

const cost = (used: Usage, of: PriceLine, at: PriceTier | undefined): bigint => priceUsage(used, of, at).costNanoUsd;

describe("pricing", () => {
	it("never gives money back, and one more token of any class never costs less", () => {
		fc.assert(
			fc.property(line, usage, tier, (of, used, at) => {
				const before = cost(used, of, at);
				expect(before).toBeGreaterThanOrEqual(0n);
				for (const growth of GROWTH) expect(cost(plus(used, growth), of, at)).toBeGreaterThanOrEqual(before);
			}),
			{ numRuns: 1000 },
		);
	});

	it("is the exact sum of its addends, rounded up by less than one nano-dollar", () => {
		fc.assert(
			fc.property(line, usage, tier, (of, used, at) => {
				const { costNanoUsd, lines } = priceUsage(used, of, at);
				const exactFemtoUsd = lines.reduce((sum, addend) => sum + addend.femtoUsd, 0n);
				const surplus = costNanoUsd * 1_000_000n - exactFemtoUsd;
				expect(surplus >= 0n && surplus < 1_000_000n).toBe(true);
				expect(lines.reduce((sum, addend) => sum + addend.quantity, 0)).toBe(used.inputTokens + used.outputTokens);
			}),
			{ numRuns: 1000 },
		);
	});

	it("never makes two calls cheaper than one with their usage, nor dearer than by one nano-dollar", () => {
		fc.assert(
			fc.property(flatLine, usage, usage, (of, left, right) => {
				const split = cost(left, of, "standard") + cost(right, of, "standard");
				const whole = cost(plus(left, right), of, "standard");
				expect(split >= whole && split <= whole + 1n).toBe(true);
			}),
			{ numRuns: 1000 },
		);
	});

	it("prices an unknown tier at least as dear as every known one", () => {
		fc.assert(
			fc.property(line, usage, (of, used) => {
				const unknown = cost(used, of, undefined);
				expect(unknown >= cost(used, of, "standard") && unknown >= cost(used, of, "priority")).toBe(true);
			}),
			{ numRuns: 1000 },
		);
	});
});
