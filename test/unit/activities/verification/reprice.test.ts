import { describe, expect, test } from "vitest";
import { billedTokens, hasPriceOf, type PricedCall, type RawUsage, reprice, type StoredPriceLine } from "#activities/verification/reprice.ts";

const prices = (scale: bigint) => {
	const price = (perMillion: bigint) => (perMillion * scale).toString();
	return {
		input: price(2_500_000_000n),
		cachedInput: price(1_250_000_000n),
		cacheWrite5m: price(3_125_000_000n),
		cacheWrite1h: price(5_000_000_000n),
		output: price(10_000_000_000n),
		reasoning: price(11_000_000_000n),
	};
};
const line: StoredPriceLine = {
	model: "m",
	tiers: {
		standard: [
			{ aboveInputTokens: 0, prices: prices(1n) },
			{ aboveInputTokens: 200_000, prices: prices(2n) },
		],
		flex: [{ aboveInputTokens: 0, prices: { ...prices(1n), input: "1250000000", output: "5000000000" } }],
		priority: [{ aboveInputTokens: 0, prices: prices(3n) }],
	},
	perCall: { web_search: "10000000" },
};
const cost = (usage: RawUsage, call: Partial<PricedCall> = {}) => {
	const result = reprice({ protocol: "openai", serviceTier: null, ...call, usage }, line);
	return result.kind === "priced" ? result.nanoUsd : result.problem;
};

describe("OpenAI usage", () => {
	test("chat: cached, written and reasoning tokens are parts of their wholes", () => {
		const usage = {
			prompt_tokens: 1_000,
			completion_tokens: 100,
			prompt_tokens_details: { cached_tokens: 400, cache_write_tokens: 100 },
			completion_tokens_details: { reasoning_tokens: 40 },
		};
		// 500 × 2500 + 400 × 1250 + 100 × 3125 + 60 × 10000 + 40 × 11000
		expect(cost(usage)).toBe(3_102_500n);
		expect(billedTokens({ protocol: "openai", usage })).toBe(1_100n);
	});

	test("responses: the same counts under their own names cost the same", () => {
		const usage = {
			input_tokens: 1_000,
			output_tokens: 100,
			input_tokens_details: { cached_tokens: 400, cache_write_tokens: 100 },
			output_tokens_details: { reasoning_tokens: 40 },
		};
		expect(cost(usage)).toBe(3_102_500n);
	});

	test("embeddings have no output", () => {
		expect(cost({ prompt_tokens: 8, total_tokens: 8 })).toBe(20_000n);
	});

	test("null details mean none", () => {
		expect(cost({ prompt_tokens: 8, completion_tokens: 0, prompt_tokens_details: null, completion_tokens_details: { reasoning_tokens: null } })).toBe(20_000n);
	});
});

describe("Anthropic usage", () => {
	const anthropic = { protocol: "anthropic" };

	test("input excludes cache reads and writes; searches carry a fee", () => {
		const usage = {
			input_tokens: 500,
			cache_read_input_tokens: 400,
			cache_creation_input_tokens: 150,
			cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 50 },
			output_tokens: 100,
			output_tokens_details: { thinking_tokens: 40 },
			server_tool_use: { web_search_requests: 2 },
		};
		// 500 × 2500 + 400 × 1250 + 100 × 3125 + 50 × 5000 + 60 × 10000 + 40 × 11000 + 2 × 10000000
		expect(cost(usage, anthropic)).toBe(23_352_500n);
		expect(billedTokens({ protocol: "anthropic", usage })).toBe(1_150n);
	});

	test("a write without a split is a five-minute one", () => {
		expect(cost({ input_tokens: 0, cache_creation_input_tokens: 100, output_tokens: 0 }, anthropic)).toBe(312_500n);
	});

	test("a write that the split does not cover is one hour long where the split shows any such", () => {
		const total = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 150 };
		// 100 × 3125 + 50 × 5000, then 150 × 3125
		expect(cost({ ...total, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 10 } }, anthropic)).toBe(562_500n);
		expect(cost({ ...total, cache_creation: { ephemeral_5m_input_tokens: 100 } }, anthropic)).toBe(468_750n);
	});

	test("compactions add up; the message's own iteration is the whole again", () => {
		const iterations = [
			{ type: "message", input_tokens: 10, output_tokens: 1 },
			{ type: "compaction", input_tokens: 2, output_tokens: 3 },
		];
		expect(cost({ input_tokens: 10, output_tokens: 1, iterations }, anthropic)).toBe(12n * 2_500n + 4n * 10_000n);
	});

	test("fast mode costs priority, bought priority costs standard", () => {
		expect(cost({ input_tokens: 1, output_tokens: 0, speed: "fast" }, anthropic)).toBe(7_500n);
		expect(cost({ input_tokens: 1, output_tokens: 0 }, { ...anthropic, serviceTier: "priority" })).toBe(2_500n);
	});
});

describe("tiers", () => {
	test.each([
		["default", 2_500n],
		["flex", 1_250n],
		["priority", 7_500n],
		["fast", 7_500n],
		["scale", 2_500n],
	])("%s", (serviceTier, expected) => {
		expect(cost({ prompt_tokens: 1 }, { serviceTier })).toBe(expected);
	});

	test.each(["ultrafast", "batch", "constructor"])("%s, unknown or unpriced, costs the dearest known", (serviceTier) => {
		expect(cost({ prompt_tokens: 1 }, { serviceTier })).toBe(7_500n);
	});

	test("a long input is dearer from the first token above the threshold, output too", () => {
		expect(cost({ prompt_tokens: 200_000, completion_tokens: 1 })).toBe(200_000n * 2_500n + 10_000n);
		expect(cost({ prompt_tokens: 200_001, completion_tokens: 1 })).toBe(200_001n * 5_000n + 20_000n);
	});
});

test("a sum is rounded up once", () => {
	const cheap: StoredPriceLine = { model: "m", tiers: { standard: [{ aboveInputTokens: 0, prices: { ...prices(0n), input: "1", output: "1" } }] } };
	const priced = reprice({ protocol: "openai", serviceTier: null, usage: { prompt_tokens: 1, completion_tokens: 1 } }, cheap);
	expect(priced).toEqual({ kind: "priced", nanoUsd: 1n });
	expect(reprice({ protocol: "openai", serviceTier: null, usage: { prompt_tokens: 0 } }, cheap)).toEqual({ kind: "priced", nanoUsd: 0n });
});

test.each([
	{ prompt_tokens: -1 },
	{ prompt_tokens: 1.5 },
	{ prompt_tokens: "7" },
	{ prompt_tokens: Number.NaN },
	{ prompt_tokens: 2 ** 31 },
	{ prompt_tokens: 1, prompt_tokens_details: [] },
	{ prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } },
	{ prompt_tokens: 1, completion_tokens: 1, completion_tokens_details: { reasoning_tokens: 2 } },
])("usage that cannot be true is not priced: %j", (usage) => {
	expect(cost(usage)).toEqual(expect.any(String));
	expect(billedTokens({ protocol: "openai", usage })).toBeUndefined();
});

test("a fee nobody knows is not free", () => {
	const free: StoredPriceLine = { model: "m", tiers: line.tiers };
	const searched = { input_tokens: 1, server_tool_use: { web_search_requests: 1 } };
	expect(reprice({ protocol: "anthropic", serviceTier: null, usage: searched }, free).kind).toBe("unusable");
	expect(reprice({ protocol: "openai", serviceTier: null, usage: { input_tokens: 1 }, hostedCalls: { file_search: 1 } }, free).kind).toBe("unusable");
});

test("hosted calls that stand outside the usage are added at their fee", () => {
	// 1 × 2500 + 2 × 10000000
	expect(cost({ input_tokens: 1 }, { hostedCalls: { web_search: 2 } })).toBe(20_002_500n);
});

test("a line that names neither model nor tier costs the dearest, whatever tier it says", () => {
	const call = { protocol: "anthropic", serviceTier: "standard", usage: { input_tokens: 1, speed: "standard" } };
	expect([
		reprice(call, line),
		reprice({ ...call, dearestOf: ["standard", "flex"] }, line),
		reprice({ ...call, dearestOf: ["flex", "priority"] }, line),
	]).toEqual([
		{ kind: "priced", nanoUsd: 2_500n },
		{ kind: "priced", nanoUsd: 2_500n },
		{ kind: "priced", nanoUsd: 7_500n },
	]);
	const asked = [call, { ...call, serviceTier: "ultrafast" }, { ...call, serviceTier: "batch" }, { ...call, usage: { inference_geo: "us" } }];
	expect(asked.map((each) => hasPriceOf(each, line))).toEqual([true, false, false, true]);
	expect(hasPriceOf({ ...call, usage: { inference_geo: "moon" } }, line)).toBe(false);
});

test("a geography with a price of its own multiplies every token price, an unknown one costs the dearest", () => {
	const used = (inference_geo: string) => cost({ input_tokens: 1_000, output_tokens: 0, inference_geo }, { protocol: "anthropic", dearestOf: ["standard"] });
	expect(["global", "us", "US", "moon"].map(used)).toEqual([2_500_000n, 2_750_000n, 2_750_000n, 2_750_000n]);
	const searched = { input_tokens: 0, inference_geo: "us", server_tool_use: { web_search_requests: 1 } };
	expect(cost(searched, { protocol: "anthropic" })).toBe(10_000_000n);
});

test.each([
	["openai", { input_tokens: 9, input_tokens_details: { cache_write_tokens: 5, cache_write_tokens_details: { ttl_12h_tokens: 5 } } }],
	["openai", { prompt_tokens: 9, prompt_tokens_details: { audio_tokens: 1 } }],
	["openai", { prompt_tokens: 9, completion_tokens: 1, total_tokens: 11 }],
	["anthropic", { input_tokens: 1, cache_creation_input_tokens: 4, cache_creation: { ephemeral_1h_input_tokens: 5 } }],
	["anthropic", { input_tokens: 1, iterations: [{ type: "advisor_message", input_tokens: 1 }] }],
])("%s usage without a price by rule is unusable, not guessed: %j", (protocol, usage) => {
	expect(reprice({ protocol, serviceTier: null, usage }, line).kind).toBe("unusable");
});
