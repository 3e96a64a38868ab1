import { describe, expect, it } from "vitest";
import { checkPrice } from "#domain/pricing/explain.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import { LINE } from "#test/support/price-lines.ts";

const book = makePriceBook(3, [LINE, { ...LINE, provider: "anthropic", model: "model-b", aliases: [] }]);

describe("price check", () => {
	it("explains a cost in JSON: exact addends, one rounded sum", () => {
		const answer = checkPrice({
			book,
			model: "model-a-2026-01-01",
			usage: { inputTokens: 11, cachedInputTokens: 1, outputTokens: 3, toolCalls: { web_search: 1 } },
		});
		expect(JSON.parse(JSON.stringify(answer))).toEqual({
			kind: "priced",
			costNanoUsd: "10056250",
			lines: [
				{ tokenClass: "input", quantity: 10, nanoUsdPerMillion: "2500000000", nanoUsd: "25000" },
				{ tokenClass: "cachedInput", quantity: 1, nanoUsdPerMillion: "1250000000", nanoUsd: "1250" },
				{ tokenClass: "output", quantity: 3, nanoUsdPerMillion: "10000000000", nanoUsd: "30000" },
				{ tool: "web_search", quantity: 1, nanoUsdPerCall: "10000000", nanoUsd: "10000000" },
			],
			provider: "openai",
			model: "model-a",
			priceTier: "standard",
			priceVersion: 3,
		});
	});

	it("shows fractions of a nano-dollar in the addends only", () => {
		const prices = { input: 1_500_000n, cachedInput: 1n, cacheWrite5m: 0n, cacheWrite1h: 0n, output: 0n, reasoning: 0n };
		const cheap = makePriceBook(1, [{ ...LINE, tiers: { standard: [{ aboveInputTokens: 0, prices }] } }]);
		expect(checkPrice({ book: cheap, model: "model-a", usage: { inputTokens: 2, cachedInputTokens: 1 } })).toMatchObject({
			costNanoUsd: "2",
			lines: [{ nanoUsd: "1.5" }, { nanoUsd: "0.000001" }],
		});
	});

	it("prices a named tier", () => {
		expect(checkPrice({ book, model: "model-a", usage: { inputTokens: 1000 }, tier: "priority" })).toMatchObject({
			costNanoUsd: "4250000",
			priceTier: "priority",
		});
	});

	it.each<[string, Partial<Parameters<typeof checkPrice>[0]>, string]>([
		["an unpriced model", { model: "model-c" }, "model"],
		["a model of another provider", { provider: "anthropic", model: "model-a" }, "model"],
		["a tier without a price", { tier: "flex" }, "tier"],
		["a negative count", { usage: { inputTokens: -1 } }, "usage"],
		["parts above the whole", { usage: { cachedInputTokens: 1 } }, "usage"],
		["a field usage does not have", { usage: { tokens: 3 } as object }, "usage.tokens"],
		["a hosted tool without a fee", { usage: { toolCalls: { teleport: 1 } } }, "usage.toolCalls"],
	])("names what is wrong with %s", (_name, change, field) => {
		expect(checkPrice({ book, model: "model-a", usage: {}, ...change })).toMatchObject({ kind: "problem", field });
	});

	it("asks for the provider when two price the model", () => {
		const two = makePriceBook(1, [LINE, { ...LINE, provider: "azure" }]);
		expect(checkPrice({ book: two, model: "model-a", usage: {} })).toMatchObject({ kind: "problem", field: "provider" });
		expect(checkPrice({ book: two, provider: "azure", model: "model-a", usage: {} })).toMatchObject({ kind: "priced", provider: "azure" });
	});
});
