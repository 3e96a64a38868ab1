import { describe, expect, it } from "vitest";
import { readAnswer, usageOfAnswer } from "#activities/providers/reported-usage.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { NO_USAGE } from "#domain/usage/usage.ts";

const CHAT = {
	id: "chatcmpl-1",
	object: "chat.completion",
	model: "gpt-5.6-sol",
	service_tier: "Priority",
	choices: [],
	usage: {
		prompt_tokens: 2006,
		completion_tokens: 300,
		total_tokens: 2306,
		prompt_tokens_details: { cached_tokens: 1920, cache_write_tokens: 64, audio_tokens: 0, image_tokens: 10 },
		completion_tokens_details: { reasoning_tokens: 192, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 7 },
	},
};

const RESPONSE = {
	id: "resp_1",
	object: "response",
	model: "gpt-5-2025-08-07",
	service_tier: "default",
	tools: [{ type: "web_search" }],
	output: [
		{ type: "reasoning" },
		{ type: "web_search_call", action: { type: "search", query: "a" } },
		{ type: "web_search_call", action: { type: "open_page", url: "b" } },
		{ type: "web_search_call" },
		{ type: "file_search_call" },
		{ type: "function_call" },
		{ type: "message" },
	],
	usage: {
		input_tokens: 1000,
		input_tokens_details: { cached_tokens: 400, cache_write_tokens: 100, cache_write_tokens_details: { ttl_30m_tokens: 100, ttl_12h_tokens: 0 } },
		output_tokens: 50,
		output_tokens_details: { reasoning_tokens: 20 },
		total_tokens: 1050,
	},
};

describe("usage of OpenAI answers", () => {
	it("reads a chat completion: cached, written and reasoning tokens stay inside their wholes", () => {
		expect(usageOfAnswer("chat.completions", CHAT)).toEqual({
			kind: "usable",
			usage: { inputTokens: 2006, cachedInputTokens: 1920, cacheWrite5mTokens: 64, cacheWrite1hTokens: 0, outputTokens: 300, reasoningTokens: 192 },
			model: "gpt-5.6-sol",
			serviceTier: "priority",
		});
	});

	it("reads a response and counts the hosted calls that carry a fee", () => {
		expect(usageOfAnswer("responses", RESPONSE)).toEqual({
			kind: "usable",
			usage: {
				inputTokens: 1000,
				cachedInputTokens: 400,
				cacheWrite5mTokens: 100,
				cacheWrite1hTokens: 0,
				outputTokens: 50,
				reasoningTokens: 20,
				toolCalls: { web_search: 2, file_search: 1 },
			},
			model: "gpt-5-2025-08-07",
			serviceTier: "default",
		});
	});

	it("names the preview search, which has its own fee, and an unknown hosted tool after itself", () => {
		const answer = { ...RESPONSE, tools: [{ type: "web_search_preview_2025_03_11" }], output: [{ type: "web_search_call" }, { type: "teleport_call" }] };
		expect(usageOfAnswer("responses", answer)).toMatchObject({ usage: { toolCalls: { web_search_preview: 1, teleport: 1 } } });
	});

	it("reads embeddings as input only", () => {
		const answer = { object: "list", data: [{ embedding: [0.5] }], model: "text-embedding-3-small", usage: { prompt_tokens: 8, total_tokens: 8 } };
		expect(usageOfAnswer("embeddings", answer)).toEqual({
			kind: "usable",
			usage: { ...NO_USAGE, inputTokens: 8 },
			model: "text-embedding-3-small",
			serviceTier: undefined,
		});
	});

	it("takes absent and null details as nothing", () => {
		const usage = { prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: null, completion_tokens_details: { reasoning_tokens: null } };
		expect(usageOfAnswer("chat.completions", { usage })).toEqual({
			kind: "usable",
			usage: { ...NO_USAGE, inputTokens: 3, outputTokens: 4 },
			model: undefined,
			serviceTier: undefined,
		});
	});

	it("names the id under which a response is kept, and of nothing else", () => {
		const idOf = (endpoint: "responses" | "chat.completions", answer: object): string | undefined =>
			readAnswer(endpoint, Buffer.from(JSON.stringify(answer))).answerId;
		expect(idOf("responses", { ...RESPONSE, id: "resp_1" })).toBe("resp_1");
		expect(idOf("responses", { id: "resp_1" })).toBe("resp_1");
		for (const id of [undefined, 7, "", "a b", "é", "r".repeat(257)]) expect(idOf("responses", { ...RESPONSE, id })).toBeUndefined();
		expect(idOf("chat.completions", { ...CHAT, id: "chatcmpl_1" })).toBeUndefined();
	});

	it("names the ids under which the items of a stored response are kept, at most 64 of them", () => {
		const idsOf = (endpoint: "responses" | "chat.completions", answer: object) => readAnswer(endpoint, Buffer.from(JSON.stringify(answer))).itemIds;
		const output = [{ id: "rs_1" }, { id: "msg_1" }, { id: "msg_1" }, { id: 7 }, { id: "" }, { id: "a b" }, { id: "m".repeat(129) }, null, {}];
		expect(idsOf("responses", { ...RESPONSE, output })).toEqual(["rs_1", "msg_1"]);
		expect(idsOf("responses", { ...RESPONSE, output, store: false })).toEqual([]);
		expect(idsOf("responses", { ...RESPONSE, output: Array.from({ length: 100 }, (_, index) => ({ id: `fc_${index}` })) })).toHaveLength(64);
		expect(idsOf("responses", { ...RESPONSE, output: "x" })).toEqual([]);
		expect(idsOf("chat.completions", { ...CHAT, output })).toEqual([]);
	});

	it("reads zero for token counting, which is free", () => {
		expect(readAnswer("count_tokens", Buffer.from('{"input_tokens": 5}')).reported).toEqual({
			kind: "usable",
			usage: NO_USAGE,
			model: undefined,
			serviceTier: undefined,
		});
	});
});

describe("unusable usage of OpenAI answers", () => {
	const chat = (usage: unknown): unknown => ({ ...CHAT, usage });
	it.each<[string, Endpoint, unknown, RegExp]>([
		["no usage", "chat.completions", { model: "gpt-4o" }, /usage is missing/],
		["null usage", "responses", { usage: null }, /usage is missing/],
		["usage as a list", "embeddings", { usage: [] }, /usage is missing/],
		["an answer that is not an object", "chat.completions", "ok", /usage is missing/],
		["a missing count", "chat.completions", chat({ prompt_tokens: 3 }), /completion_tokens is missing/],
		["a negative count", "chat.completions", chat({ prompt_tokens: -1, completion_tokens: 1 }), /prompt_tokens is negative/],
		["a fraction", "chat.completions", chat({ prompt_tokens: 1.5, completion_tokens: 1 }), /prompt_tokens is fractional/],
		["a string", "chat.completions", chat({ prompt_tokens: "3", completion_tokens: 1 }), /prompt_tokens is not a number/],
		["NaN", "chat.completions", chat({ prompt_tokens: Number.NaN, completion_tokens: 1 }), /prompt_tokens is not finite/],
		["infinity", "chat.completions", JSON.parse('{"usage":{"prompt_tokens":1e999,"completion_tokens":1}}'), /prompt_tokens is not finite/],
		["more than 2^31 - 1", "chat.completions", chat({ prompt_tokens: 2147483648, completion_tokens: 1 }), /prompt_tokens is above 2147483647/],
		[
			"more cached than input",
			"chat.completions",
			chat({ prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } }),
			/inputTokens is smaller/,
		],
		[
			"cached and written above input",
			"chat.completions",
			chat({ prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2, cache_write_tokens: 2 } }),
			/inputTokens is smaller/,
		],
		[
			"more reasoning than output",
			"responses",
			{ usage: { input_tokens: 1, output_tokens: 1, output_tokens_details: { reasoning_tokens: 2 } } },
			/outputTokens is smaller/,
		],
		["a total above the sum", "chat.completions", chat({ prompt_tokens: 3, completion_tokens: 4, total_tokens: 9 }), /total_tokens is 9/],
		["a total below the sum", "embeddings", { usage: { prompt_tokens: 8, total_tokens: 7 } }, /total_tokens is 7/],
		[
			"audio tokens",
			"chat.completions",
			chat({ prompt_tokens: 3, completion_tokens: 4, completion_tokens_details: { audio_tokens: 1 } }),
			/audio_tokens have no price/,
		],
		[
			"12-hour cache writes",
			"responses",
			{ usage: { input_tokens: 9, output_tokens: 1, input_tokens_details: { cache_write_tokens: 2, cache_write_tokens_details: { ttl_12h_tokens: 2 } } } },
			/ttl_12h_tokens have no price/,
		],
		[
			"details of another shape",
			"chat.completions",
			chat({ prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: 3 }),
			/prompt_tokens_details is not an object/,
		],
	])("names %s", (_name, endpoint, answer, reason) => {
		expect(usageOfAnswer(endpoint, answer)).toEqual({ kind: "unusable", reason: expect.stringMatching(reason) });
	});

	it("names a body that is not JSON", () => {
		expect(readAnswer("chat.completions", Buffer.from("<html>")).reported).toEqual({ kind: "unusable", reason: "the answer is not JSON" });
	});
});
