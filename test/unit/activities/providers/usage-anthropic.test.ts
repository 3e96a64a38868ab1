import { describe, expect, it } from "vitest";
import { readAnswer, usageOfAnswer } from "#activities/providers/reported-usage.ts";
import { lured } from "#test/support/lure.ts";

const MESSAGE = {
	id: "msg_1",
	type: "message",
	model: "claude-sonnet-4-5-20250929",
	usage: {
		input_tokens: 21,
		cache_creation_input_tokens: 300,
		cache_read_input_tokens: 188086,
		cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
		output_tokens: 393,
		output_tokens_details: { thinking_tokens: 93 },
		server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 },
		service_tier: "standard",
		speed: null,
		inference_geo: null,
	},
};

const read = (usage: object): unknown => usageOfAnswer("messages", { ...MESSAGE, usage });

describe("usage of Anthropic answers", () => {
	it("adds cache reads and writes to the input, which the provider leaves out", () => {
		expect(usageOfAnswer("messages", MESSAGE)).toEqual({
			kind: "usable",
			usage: {
				inputTokens: 188407,
				cachedInputTokens: 188086,
				cacheWrite5mTokens: 100,
				cacheWrite1hTokens: 200,
				outputTokens: 393,
				reasoningTokens: 93,
				toolCalls: { web_search: 2 },
			},
			model: "claude-sonnet-4-5-20250929",
			serviceTier: "standard",
		});
	});

	it("counts a field in escapes that the runtime's parser takes for one of an earlier answer", () => {
		const answerWith = (key: string) => JSON.stringify(MESSAGE).replace("cache_read_input_tokens", key);
		expect(readAnswer("messages", Buffer.from(lured(answerWith, "\\u0063ache_read_input_tokens"))).reported).toEqual(usageOfAnswer("messages", MESSAGE));
	});

	it("counts writes without a split as 5-minute writes", () => {
		expect(read({ input_tokens: 1, output_tokens: 2, cache_creation_input_tokens: 50, cache_creation: null })).toMatchObject({
			usage: { inputTokens: 51, cacheWrite5mTokens: 50, cacheWrite1hTokens: 0 },
		});
	});

	it("counts writes beyond the split at the dearest time to live it shows", () => {
		const usage = {
			input_tokens: 1,
			output_tokens: 2,
			cache_creation_input_tokens: 50,
			cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
		};
		expect(read(usage)).toMatchObject({ usage: { inputTokens: 51, cacheWrite5mTokens: 10, cacheWrite1hTokens: 40 } });
	});

	it("adds compaction, which is not in the top-level counts, and does not add messages twice", () => {
		const usage = {
			input_tokens: 10,
			output_tokens: 20,
			iterations: [
				{ type: "compaction", input_tokens: 1000, output_tokens: 200, cache_read_input_tokens: 500, cache_creation_input_tokens: 0, cache_creation: null },
				{ type: "message", input_tokens: 10, output_tokens: 20, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, cache_creation: null },
			],
		};
		expect(read(usage)).toMatchObject({ kind: "usable", usage: { inputTokens: 1510, cachedInputTokens: 500, outputTokens: 220 } });
	});

	it.each([
		["the tier", { service_tier: "batch" }, "batch"],
		["fast mode before the tier", { service_tier: "standard", speed: "fast" }, "fast"],
		["standard speed as no speed", { service_tier: "priority", speed: "standard" }, "priority"],
		["a neutral geography as none", { service_tier: "standard", inference_geo: "global" }, "standard"],
		["a priced geography as a tier nobody knows", { service_tier: "standard", inference_geo: "us" }, "standard+geo:us"],
		["no tier", {}, undefined],
	])("reports %s", (_name, extra, serviceTier) => {
		expect(read({ input_tokens: 1, output_tokens: 1, ...extra })).toMatchObject({ kind: "usable", serviceTier });
	});

	it.each([
		["a missing input count", { output_tokens: 1 }, /input_tokens is missing/],
		["a negative cache read", { input_tokens: 1, output_tokens: 1, cache_read_input_tokens: -1 }, /cache_read_input_tokens is negative/],
		[
			"a total of writes below its parts",
			{ input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 1, cache_creation: { ephemeral_5m_input_tokens: 2 } },
			/smaller than its parts/,
		],
		["a sum above 2^31 - 1", { input_tokens: 2147483647, output_tokens: 1, cache_read_input_tokens: 1 }, /inputTokens is above/],
		["more thinking than output", { input_tokens: 1, output_tokens: 1, output_tokens_details: { thinking_tokens: 2 } }, /outputTokens is smaller/],
		[
			"a run on another model",
			{ input_tokens: 1, output_tokens: 1, iterations: [{ type: "advisor_message", input_tokens: 1, output_tokens: 1 }] },
			/neither message nor compaction/,
		],
	])("calls %s unusable", (_name, usage, reason) => {
		expect(read(usage)).toEqual({ kind: "unusable", reason: expect.stringMatching(reason) });
	});
});
