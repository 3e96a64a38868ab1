import { describe, expect, it } from "vitest";
import type { PriceTier, Protocol } from "#domain/pricing/price-book.ts";
import { priceTierOf } from "#domain/pricing/price-tier.ts";

describe("price tier of a service tier", () => {
	it.each<[Protocol, string | undefined, PriceTier | undefined]>([
		["openai", undefined, "standard"],
		["openai", "", "standard"],
		["openai", "auto", "standard"],
		["openai", "default", "standard"],
		["openai", "scale", "standard"],
		["openai", "flex", "flex"],
		["openai", "batch", "batch"],
		["openai", "fast", "priority"],
		["openai", "Priority", "priority"],
		["openai", "ultrafast", undefined],
		["openai", "constructor", undefined],
		["anthropic", "standard", "standard"],
		["anthropic", "standard_only", "standard"],
		["anthropic", "priority", "standard"],
		["anthropic", "batch", "batch"],
		["anthropic", "fast", "priority"],
		["anthropic", "flex", undefined],
		["anthropic", "standard+geo:us", "standard"],
		["anthropic", "fast+geo:us", "priority"],
		["anthropic", "standard+geo:moon", undefined],
	])("%s %s is %s", (protocol, serviceTier, tier) => {
		expect(priceTierOf(protocol, serviceTier)).toBe(tier);
	});
});
