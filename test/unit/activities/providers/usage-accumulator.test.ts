import { describe, expect, it } from "vitest";
import { createEventSplitter } from "#activities/providers/server-sent-events.ts";
import { createUsageAccumulator, type StreamEndpoint, type UsageAccumulator } from "#activities/providers/usage-accumulator.ts";

function watch(endpoint: StreamEndpoint, events: readonly string[], sliceBytes = 7): UsageAccumulator {
	const accumulator = createUsageAccumulator(endpoint);
	const splitter = createEventSplitter(({ raw }) => accumulator.onRawEvent(raw));
	const bytes = Buffer.from(events.map((event) => `${event}\n\n`).join(""));
	for (let start = 0; start < bytes.length; start += sliceBytes) splitter.push(bytes.subarray(start, start + sliceBytes));
	splitter.end();
	return accumulator;
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}`;
const named = (type: string, value: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...value })}`;

const chunk = (extra: object): string => data({ id: "c", object: "chat.completion.chunk", model: "gpt-4o-2024-08-06", service_tier: "default", ...extra });
const text = (content: string): string => chunk({ choices: [{ index: 0, delta: { content } }], usage: null });
const CHAT_USAGE = chunk({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17, prompt_tokens_details: { cached_tokens: 4 } } });

describe("chat completions stream", () => {
	it("takes the usage of the last chunk and is complete with [DONE]", () => {
		const seen = watch("chat.completions", [text("a"), text("b"), CHAT_USAGE, "data: [DONE]"]);
		expect(seen.isComplete).toBe(true);
		expect(seen.result()).toMatchObject({
			kind: "usable",
			usage: { inputTokens: 12, cachedInputTokens: 4, outputTokens: 5 },
			model: "gpt-4o-2024-08-06",
			serviceTier: "default",
		});
	});

	it("parses only the first chunk and the one with usage, whatever the text says", () => {
		const seen = watch("chat.completions", [
			text("a"),
			text('the "usage": {"prompt_tokens": 1} of [DONE] and "error": {'),
			...Array.from({ length: 50 }, () => text("usage")),
			CHAT_USAGE,
			"data: [DONE]",
		]);
		expect(seen.parsedEvents).toBe(2);
		expect(seen.result().kind).toBe("usable");
	});

	it("keeps the tier of the first chunk when the last leaves it out", () => {
		const last = data({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } });
		expect(watch("chat.completions", [text("a"), last, "data: [DONE]"]).result()).toMatchObject({ serviceTier: "default", model: "gpt-4o-2024-08-06" });
	});

	it("reports final usage although the closing mark is missing, but not as complete", () => {
		const seen = watch("chat.completions", [text("a"), CHAT_USAGE]);
		expect(seen.isComplete).toBe(false);
		expect(seen.result().kind).toBe("usable");
	});

	it("does not take running counts of a stream that was cut for the final ones", () => {
		const running = (tokens: number): string => chunk({ choices: [{ delta: { content: "a" } }], usage: { prompt_tokens: 12, completion_tokens: tokens } });
		expect(watch("chat.completions", [running(1), running(2)]).result()).toEqual({ kind: "unusable", reason: "the stream was cut before its final usage" });
		expect(watch("chat.completions", [running(1), running(2), "data: [DONE]"]).result()).toMatchObject({ kind: "usable", usage: { outputTokens: 2 } });
	});

	it.each([
		["no usage at all", [text("a"), "data: [DONE]"], "the stream carried no usage"],
		["broken JSON instead of usage", [text("a"), 'data: {"usage":{"prompt_to', "data: [DONE]"], "the stream carried no usage"],
		[
			"an error event",
			[text("a"), data({ error: { type: "server_error", message: "x" } }), CHAT_USAGE, "data: [DONE]"],
			"the provider sent an error in the stream: server_error",
		],
		["wrong counts", [chunk({ choices: [], usage: { prompt_tokens: -1, completion_tokens: 1 } }), "data: [DONE]"], "usage.prompt_tokens is negative"],
	])("is unusable with %s", (_name, events, reason) => {
		expect(watch("chat.completions", events).result()).toEqual({ kind: "unusable", reason });
	});
});

describe("responses stream", () => {
	const usage = {
		input_tokens: 10,
		output_tokens: 6,
		total_tokens: 16,
		input_tokens_details: { cached_tokens: 2 },
		output_tokens_details: { reasoning_tokens: 3 },
	};
	const created = named("response.created", { response: { model: "gpt-5", usage: null } });
	const delta = named("response.output_text.delta", { delta: "usage" });

	it.each(["response.completed", "response.incomplete", "response.failed"])("takes usage and hosted calls of %s", (type) => {
		const seen = watch("responses", [
			created,
			delta,
			delta,
			named(type, { response: { id: "resp_1", model: "gpt-5", service_tier: "flex", usage, output: [{ type: "web_search_call", id: "ws_1" }] } }),
		]);
		expect(seen.isComplete).toBe(true);
		expect([seen.answerId, seen.itemIds]).toEqual(["resp_1", ["ws_1"]]);
		expect(seen.parsedEvents).toBe(1);
		expect(seen.result()).toMatchObject({
			kind: "usable",
			serviceTier: "flex",
			usage: { inputTokens: 10, cachedInputTokens: 2, outputTokens: 6, reasoningTokens: 3, toolCalls: { web_search: 1 } },
		});
	});

	it.each([
		["a cut stream", [created, delta], "the stream was cut before its final usage"],
		["a failure without usage", [named("response.failed", { response: { usage: null } })], "usage is missing"],
		["an error event", [created, named("error", { code: "server_error", message: "x" })], /error in the stream/],
	])("is unusable with %s", (_name, events, reason) => {
		expect(watch("responses", events).result()).toEqual({ kind: "unusable", reason: typeof reason === "string" ? reason : expect.stringMatching(reason) });
	});
});

describe("messages stream", () => {
	const start = named("message_start", {
		message: {
			model: "claude-haiku-4-5-20251001",
			usage: {
				input_tokens: 5,
				cache_creation_input_tokens: 30,
				cache_read_input_tokens: 7,
				cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
				output_tokens: 1,
				service_tier: "standard",
			},
		},
	});
	const delta = named("content_block_delta", { index: 0, delta: { type: "text_delta", text: 'my "usage": 3' } });
	const counts = (usage: object, stopReason: string | null = "end_turn"): string => named("message_delta", { delta: { stop_reason: stopReason }, usage });
	const stop = named("message_stop", {});

	it("merges the cumulative deltas into the start, keeping what they leave out or send as null", () => {
		const seen = watch("messages", [
			start,
			'event: ping\ndata: {"type": "ping"}',
			delta,
			counts({ output_tokens: 8 }, null),
			delta,
			counts({ input_tokens: 5, output_tokens: 15, cache_read_input_tokens: null, output_tokens_details: { thinking_tokens: 4 } }),
			stop,
		]);
		expect(seen.isComplete).toBe(true);
		expect(seen.parsedEvents).toBe(4);
		expect(seen.result()).toEqual({
			kind: "usable",
			usage: { inputTokens: 42, cachedInputTokens: 7, cacheWrite5mTokens: 10, cacheWrite1hTokens: 20, outputTokens: 15, reasoningTokens: 4 },
			model: "claude-haiku-4-5-20251001",
			serviceTier: "standard",
		});
	});

	it("reads the same from one-byte slices", () => {
		const events = [start, delta, counts({ output_tokens: 15 }), stop];
		expect(watch("messages", events, 1).result()).toEqual(watch("messages", events, 1e6).result());
	});

	it("adds compaction reported at the end", () => {
		const iterations = [{ type: "compaction", input_tokens: 100, output_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }];
		expect(watch("messages", [start, counts({ output_tokens: 15, iterations }), stop]).result()).toMatchObject({
			usage: { inputTokens: 142, outputTokens: 25 },
		});
	});

	it.each([
		["a stream cut after its start", [start, delta], "the stream was cut before its final usage"],
		["a stream cut between deltas", [start, counts({ output_tokens: 8 }, null)], "the stream was cut before its final usage"],
		["an end without final counts", [start, delta, stop], "the stream was cut before its final usage"],
		[
			"an error after HTTP 200",
			[start, delta, named("error", { error: { type: "overloaded_error", message: "x" } })],
			"the provider sent an error in the stream: overloaded_error",
		],
		["nothing", [], "the stream carried no usage"],
	])("is unusable with %s", (_name, events, reason) => {
		const seen = watch("messages", events);
		expect(seen.result()).toEqual({ kind: "unusable", reason });
		expect(seen.isFailed).toBe(reason.includes("error"));
	});
});
