import { describe, expect, it } from "vitest";
import { InvariantViolation } from "#domain/assert.ts";
import type { PriceTier } from "#domain/pricing/price-book.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { LINE, STANDARD } from "#test/support/price-lines.ts";

describe("cost of one call", () => {
	it.each<[string, Partial<Usage>, PriceTier | undefined, bigint]>([
		["nothing", {}, "standard", 0n],
		// 1,000 × 2.5 USD/M = 0.0025 USD
		["uncached input", { inputTokens: 1000 }, "standard", 2_500_000n],
		// 100 × 2.5 + 900 × 1.25 = 1,375 µUSD
		["cached input, which is part of the input", { inputTokens: 1000, cachedInputTokens: 900 }, "standard", 1_375_000n],
		// 100 × 2.5 + 400 × 3.125 + 500 × 5 = 4,000 µUSD
		["cache writes of both lives", { inputTokens: 1000, cacheWrite5mTokens: 400, cacheWrite1hTokens: 500 }, "standard", 4_000_000n],
		["visible output", { outputTokens: 100 }, "standard", 1_000_000n],
		// 40 × 10 + 60 × 11 = 1,060 µUSD
		["reasoning, which is part of the output", { outputTokens: 100, reasoningTokens: 60 }, "standard", 1_060_000n],
		// 250 + 500 + 312.5 + 500 + 400 + 660 µUSD = 2,622.5 µUSD
		[
			"every class at once",
			{ inputTokens: 700, cachedInputTokens: 400, cacheWrite5mTokens: 100, cacheWrite1hTokens: 100, outputTokens: 100, reasoningTokens: 60 },
			"standard",
			2_622_500n,
		],
		["two searches and three free fetches", { toolCalls: { web_search: 2, web_fetch: 3 } }, "standard", 20_000_000n],
		["the last token below long context", { inputTokens: 272_000, outputTokens: 1 }, "standard", 680_010_000n],
		["the first token of long context, for the whole request", { inputTokens: 272_001, outputTokens: 1 }, "standard", 1_360_020_000n],
		["cache reads counting towards long context", { inputTokens: 300_000, cachedInputTokens: 300_000 }, "standard", 750_000_000n],
		["another tier", { inputTokens: 1000, outputTokens: 100 }, "priority", 5_950_000n],
		["an unknown tier at the dearest", { inputTokens: 1000, outputTokens: 100 }, undefined, 5_950_000n],
		["a tier the line does not price at the dearest", { inputTokens: 1000, outputTokens: 100 }, "flex", 5_950_000n],
	])("prices %s", (_name, usage, tier, costNanoUsd) => {
		expect(priceUsage({ ...NO_USAGE, ...usage }, LINE, tier).costNanoUsd).toBe(costNanoUsd);
	});

	it("rounds up once, at the end of the sum", () => {
		const cheap = { ...STANDARD, input: 400_000n, output: 400_000n, cachedInput: 400_000n };
		const line = { ...LINE, tiers: { standard: [{ aboveInputTokens: 0, prices: cheap }] } };
		const price = (usage: Partial<Usage>): bigint => priceUsage({ ...NO_USAGE, ...usage }, line, "standard").costNanoUsd;
		expect(price({ inputTokens: 1 })).toBe(1n);
		// 0.4 + 0.4 = 0.8 → 1, where rounding each would give 2.
		expect(price({ inputTokens: 1, outputTokens: 1 })).toBe(1n);
		expect(price({ inputTokens: 3, cachedInputTokens: 1, outputTokens: 1 })).toBe(2n);
	});

	it("shows its addends, exact and without empty ones", () => {
		const { lines } = priceUsage({ ...NO_USAGE, inputTokens: 10, cachedInputTokens: 4, toolCalls: { web_search: 1 } }, LINE, "standard");
		expect(lines).toEqual([
			{ kind: "tokens", tokenClass: "input", quantity: 6, nanoUsdPerMillion: 2_500_000_000n, femtoUsd: 15_000_000_000n },
			{ kind: "tokens", tokenClass: "cachedInput", quantity: 4, nanoUsdPerMillion: 1_250_000_000n, femtoUsd: 5_000_000_000n },
			{ kind: "calls", tool: "web_search", quantity: 1, nanoUsdPerCall: 10_000_000n, femtoUsd: 10_000_000_000_000n },
		]);
	});

	it("names hosted tools without a fee, inherited names included, and not those never called", () => {
		const usage = { ...NO_USAGE, toolCalls: { web_search: 1, teleport: 1, constructor: 2, unused: 0 } };
		expect(priceUsage(usage, LINE, "standard")).toMatchObject({ costNanoUsd: 10_000_000n, unpricedTools: ["teleport", "constructor"] });
	});

	it.each<[string, Partial<Usage>]>([
		["parts above the whole", { inputTokens: 1, cachedInputTokens: 2 }],
		["a negative count", { inputTokens: -1 }],
		["a fraction", { outputTokens: 0.5 }],
		["a negative number of calls", { toolCalls: { web_search: -1 } }],
	])("refuses %s as a broken invariant", (_name, usage) => {
		expect(() => priceUsage({ ...NO_USAGE, ...usage }, LINE, "standard")).toThrow(InvariantViolation);
	});
});
