import { describe, expect, it } from "vitest";
import { priceLineFromJson, priceLineToJson } from "#domain/pricing/line-codec.ts";
import { LINE } from "#test/support/price-lines.ts";

const JSON_LINE = JSON.parse(JSON.stringify(priceLineToJson(LINE))) as Record<string, unknown>;
const TIERS = JSON_LINE["tiers"] as Record<string, { aboveInputTokens: number; prices: Record<string, string> }[]>;
const PRICES = TIERS["standard"]?.[0]?.prices ?? {};
const standard = (contexts: unknown): object => ({ ...JSON_LINE, tiers: { standard: contexts } });
const prices = (change: object): object => standard([{ aboveInputTokens: 0, prices: { ...PRICES, ...change } }]);

describe("price line as JSON", () => {
	it("comes back as it went, unknown facts absent", () => {
		expect(priceLineFromJson(JSON_LINE)).toEqual({ kind: "line", line: LINE });
		expect(JSON_LINE).not.toHaveProperty("maxTokensPerImage");
		const bare = { ...LINE, outputCapField: undefined, encoding: undefined, contextWindowTokens: undefined, maxOutputTokens: undefined };
		expect(priceLineFromJson(JSON.parse(JSON.stringify(priceLineToJson(bare))))).toEqual({ kind: "line", line: bare });
	});

	it("is the same text for the same line, in whatever order it was read", () => {
		const reordered = Object.fromEntries(Object.entries({ ...JSON_LINE, perCall: { web_search: "10000000", web_fetch: "0" } }).reverse());
		const decoded = priceLineFromJson(reordered);
		expect(decoded.kind === "line" && JSON.stringify(priceLineToJson(decoded.line))).toBe(JSON.stringify(JSON_LINE));
	});

	it("carries prices as decimal strings", () => {
		expect(PRICES["input"]).toBe("2500000000");
	});

	it.each<[string, unknown, string]>([
		["not an object", [], ""],
		["a misspelt field", { ...JSON_LINE, contextWindow: 5 }, "contextWindow"],
		["images billed as less than the window they take", { ...JSON_LINE, imageWindowPermille: 999 }, "imageWindowPermille"],
		["no model", { ...JSON_LINE, model: undefined }, "model"],
		["a model with a space", { ...JSON_LINE, model: "model a" }, "model"],
		["another protocol", { ...JSON_LINE, protocol: "grpc" }, "protocol"],
		["another kind", { ...JSON_LINE, kind: "images" }, "kind"],
		["an alias twice", { ...JSON_LINE, aliases: ["x", "x"] }, "aliases[1]"],
		["an alias that is the model", { ...JSON_LINE, aliases: ["model-a"] }, "aliases[0]"],
		["no standard tier", { ...JSON_LINE, tiers: { flex: TIERS["standard"] } }, "tiers.standard"],
		["an unknown tier", { ...JSON_LINE, tiers: { ...TIERS, turbo: [] } }, "tiers.turbo"],
		["a tier without context tiers", standard([]), "tiers.standard"],
		["a first context tier above 0", standard([{ aboveInputTokens: 5, prices: PRICES }]), "tiers.standard[0].aboveInputTokens"],
		[
			"context tiers out of order",
			standard([
				{ aboveInputTokens: 0, prices: PRICES },
				{ aboveInputTokens: 0, prices: PRICES },
			]),
			"tiers.standard[1].aboveInputTokens",
		],
		["a missing price", prices({ output: undefined }), "tiers.standard[0].prices.output"],
		["an unknown price", prices({ audio: "1" }), "tiers.standard[0].prices.audio"],
		["a price as a number", prices({ input: 2.5 }), "tiers.standard[0].prices.input"],
		["a fraction of a nano-dollar", prices({ input: "2.5" }), "tiers.standard[0].prices.input"],
		["a negative price", prices({ input: "-1" }), "tiers.standard[0].prices.input"],
		["an absurd price", prices({ input: "1000000000000001" }), "tiers.standard[0].prices.input"],
		["a negative fee", { ...JSON_LINE, perCall: { web_search: "-1" } }, "perCall.web_search"],
		["a fractional count", { ...JSON_LINE, maxOutputTokens: 1.5 }, "maxOutputTokens"],
		["a count of zero where it means unknown", { ...JSON_LINE, contextWindowTokens: 0 }, "contextWindowTokens"],
		["no hidden tokens", { ...JSON_LINE, hiddenTokensPerMessage: undefined }, "hiddenTokensPerMessage"],
		["another cap field", { ...JSON_LINE, outputCapField: "max" }, "outputCapField"],
		["a flag as text", { ...JSON_LINE, isReasoning: "no" }, "isReasoning"],
		["another encoding", { ...JSON_LINE, encoding: "gpt2" }, "encoding"],
	])("names the field of %s", (_name, value, field) => {
		expect(priceLineFromJson(value)).toMatchObject({ kind: "problem", field });
	});
});
