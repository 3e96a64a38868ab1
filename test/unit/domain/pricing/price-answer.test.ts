import { describe, expect, test } from "vitest";
import { priceAnswer } from "#domain/pricing/price-answer.ts";
import type { PriceBook, PriceTier } from "#domain/pricing/price-book.ts";
import { NO_USAGE, type ReportedUsage } from "#domain/usage/usage.ts";
import { LINE } from "#test/support/price-lines.ts";

const DEARER = {
	...LINE,
	model: "model-b",
	tiers: { standard: [{ aboveInputTokens: 0, prices: { ...LINE.tiers.standard[0]?.prices, input: 9_000_000_000n } }] },
} as typeof LINE;
const book: PriceBook = {
	version: 1,
	asOfMs: 0,
	lines: [LINE, DEARER],
	find: (_provider, model) => [LINE, DEARER].find((line) => line.model === model || line.aliases.includes(model)),
};

function answer(reported: { model?: string; serviceTier?: string }, tiers: readonly PriceTier[] = ["standard"]) {
	const usage: Extract<ReportedUsage, { kind: "usable" }> = {
		kind: "usable",
		usage: { ...NO_USAGE, inputTokens: 1_000_000 },
		model: reported.model,
		serviceTier: reported.serviceTier,
	};
	const { costNanoUsd, alert } = priceAnswer(usage, { line: LINE, reach: { tiers }, deployment: "azure/my-deployment" }, book);
	return [costNanoUsd, alert];
}

const LONG_INPUT = 5_000_000_000n;
const UNKNOWN_MODEL = "answered model is not in the price book";
const UNKNOWN_TIER = "answered service tier is not in the price book";

describe("an answer is priced", () => {
	test("by the line it names, also when another than the one reserved", () => {
		expect(answer({ model: "model-a-2026-01-01", serviceTier: "default" })).toEqual([LONG_INPUT, undefined]);
		expect(answer({ model: "model-b" })).toEqual([9_000_000_000n, undefined]);
	});

	test("by the tier it names, also when another than those reserved", () => {
		expect(answer({ model: "model-a", serviceTier: "priority" })).toEqual([4_250_000_000n, undefined]);
	});

	test("by the reserved line when it repeats the name that only the deployment knows", () => {
		expect(answer({ model: "my-deployment", serviceTier: "default" })).toEqual([LONG_INPUT, undefined]);
	});

	test("at the dearest tier that was reserved for, and no dearer, when its model or tier is unknown, and that is told", () => {
		expect(answer({ model: "nobody-knows" })).toEqual([LONG_INPUT, UNKNOWN_MODEL]);
		expect(answer({ model: "model-a", serviceTier: "ultrafast" })).toEqual([LONG_INPUT, UNKNOWN_TIER]);
		expect(answer({ model: "model-a", serviceTier: "flex" }, ["standard", "priority"])).toEqual([LONG_INPUT, UNKNOWN_TIER]);
		// Reserved for alone, like a batch: the standard tier is none of it.
		expect(answer({ model: "nobody-knows", serviceTier: "priority" }, ["priority"])).toEqual([4_250_000_000n, UNKNOWN_MODEL]);
	});

	test("at the multiplier of the geography it names; an unknown one costs the dearest and is told", () => {
		expect(answer({ model: "model-a", serviceTier: "default+geo:us" })).toEqual([5_500_000_000n, undefined]);
		expect(answer({ model: "model-a", serviceTier: "default+geo:moon" })).toEqual([5_500_000_000n, UNKNOWN_TIER]);
	});
});
