import { describe, expect, it } from "vitest";
import { dearestPrices, pricedTiers, selectPrices } from "#domain/pricing/select-prices.ts";
import { LINE, LONG, PRIORITY, STANDARD } from "#test/support/price-lines.ts";

const CHEAP = { input: 1n, cachedInput: 1n, cacheWrite5m: 1n, cacheWrite1h: 1n, output: 1n, reasoning: 1n };

describe("choice of prices", () => {
	it("takes the context tier by total input tokens", () => {
		expect(selectPrices(LINE, "standard", 0)).toBe(STANDARD);
		expect(selectPrices(LINE, "standard", 272_000)).toBe(STANDARD);
		expect(selectPrices(LINE, "standard", 272_001)).toBe(LONG);
	});

	it("takes the dearest of every class, each by itself, for a tier it does not know", () => {
		expect(selectPrices(LINE, undefined, 10)).toEqual(PRIORITY);
		expect(selectPrices(LINE, undefined, 300_000)).toEqual({ ...LONG, output: PRIORITY.output, reasoning: PRIORITY.reasoning });
		const batch = { ...LINE, tiers: { ...LINE.tiers, batch: [{ aboveInputTokens: 0, prices: CHEAP }] } };
		expect([dearestPrices(batch, 10, ["batch"]), dearestPrices(batch, 10, ["batch", "standard"]), dearestPrices(LINE, 10, ["batch"])]).toEqual([
			CHEAP,
			STANDARD,
			STANDARD,
		]);
		expect(dearestPrices(LINE, 10, ["standard"])).toEqual(STANDARD);
		expect(pricedTiers(LINE)).toEqual(["standard", "priority"]);
	});
});
