import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** The official clients, unmodified, against the simulated provider as a process of its own. */

let provider: SimulatedProvider;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
	provider = await startSimulatedProvider();
	openai = new OpenAI({ apiKey: "any", baseURL: `${provider.url}/v1`, maxRetries: 0 });
	anthropic = new Anthropic({ apiKey: "any", baseURL: provider.url, maxRetries: 0 });
});

afterAll(() => provider.close());

const HELLO = [{ role: "user" as const, content: "Hello, how are you?" }];
const WEATHER_SCHEMA = { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] };

function attempt(attemptId: string, directive: object = {}): { headers: Record<string, string> } {
	return { headers: { "x-client-request-id": attemptId, "x-simulate": JSON.stringify(directive) } };
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
	const items: T[] = [];
	for await (const item of stream) items.push(item);
	return items;
}

describe("chat completions", () => {
	it("answers the demo call with 1,000 tokens and logs what it says", async () => {
		const answer = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 1000, messages: HELLO }, attempt("chat-1"));
		expect(answer.choices[0]?.message.content).toMatch(/^\[simulated\] /);
		expect(answer.choices[0]?.finish_reason).toBe("length");
		expect(answer.system_fingerprint).toBe("simulated");
		expect(answer.usage).toMatchObject({ completion_tokens: 1000, prompt_tokens: 11, total_tokens: 1011 });
		expect(provider.callsOf("chat-1")).toEqual([
			{
				attemptId: "chat-1",
				providerRequestId: answer._request_id,
				at: expect.any(String),
				protocol: "openai",
				model: "gpt-4o",
				serviceTier: "default",
				usage: answer.usage,
			},
		]);
	});

	it("streams the same words and reports usage only where asked", async () => {
		const body = { model: "gpt-4o", max_tokens: 20, messages: HELLO } as const;
		const plain = await openai.chat.completions.create(body);
		const silent = await collect(await openai.chat.completions.create({ ...body, stream: true }));
		const telling = await collect(
			await openai.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } }, attempt("chat-stream")),
		);
		expect(silent.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(plain.choices[0]?.message.content);
		expect(silent.every((chunk) => !("usage" in chunk))).toBe(true);
		expect(telling.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
		expect(telling.at(-1)).toMatchObject({ choices: [], usage: plain.usage });
		expect(provider.callsOf("chat-stream").map((call) => call.usage)).toEqual([plain.usage]);
	});

	it("gives n answers and bills all of them", async () => {
		const answer = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 7, n: 3, messages: HELLO });
		expect(answer.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
		expect(answer.usage?.completion_tokens).toBe(21);
	});

	it("calls a tool when the prompt asks, streaming and not, and goes on in words after the result", async () => {
		const tools = [{ type: "function" as const, function: { name: "get_weather", parameters: WEATHER_SCHEMA } }];
		const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "use get_weather" }];
		const plain = await openai.chat.completions.create({ model: "gpt-4o", tools, messages });
		const call = plain.choices[0]?.message.tool_calls?.[0];
		if (call?.type !== "function" || plain.choices[0] === undefined) throw new Error("no function call");
		expect([call.function.name, JSON.parse(call.function.arguments), plain.choices[0].finish_reason]).toEqual([
			"get_weather",
			{ city: "[simulated]" },
			"tool_calls",
		]);
		const streamed = await openai.chat.completions.stream({ model: "gpt-4o", tools, messages }).finalChatCompletion();
		expect(streamed.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: call.function });
		const after = await openai.chat.completions.create({
			model: "gpt-4o",
			max_tokens: 5,
			tools,
			messages: [...messages, plain.choices[0].message, { role: "tool", tool_call_id: call.id, content: "sunny" }],
		});
		expect(after.choices[0]?.message.content).toMatch(/^\[simulated\]/);
	});

	it("gives valid JSON where JSON is asked for", async () => {
		const answer = await openai.chat.completions.create({ model: "gpt-4o", messages: HELLO, response_format: { type: "json_object" } });
		expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toMatchObject({ simulated: true });
		expect(answer.choices[0]?.finish_reason).toBe("stop");
	});

	it("reports cached tokens for a repeated prefix and reasoning tokens for a reasoning model", async () => {
		const messages = [{ role: "user" as const, content: "long prompt ".repeat(500) }];
		const first = await openai.chat.completions.create({ model: "gpt-5", max_completion_tokens: 512, messages });
		const second = await openai.chat.completions.create({ model: "gpt-5", max_completion_tokens: 512, messages });
		expect(first.usage?.prompt_tokens_details?.cached_tokens).toBe(0);
		expect(second.usage?.prompt_tokens_details?.cached_tokens).toBe(1408);
		expect(second.usage?.completion_tokens_details?.reasoning_tokens).toBe(128);
	});

	it.each([
		["fast", "priority"],
		["priority", "priority"],
		["flex", "flex"],
		["auto", "default"],
	] as const)("answers tier %s as %s", async (asked, answered) => {
		const answer = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 2, service_tier: asked, messages: HELLO }, attempt(`tier-${asked}`));
		expect(answer.service_tier).toBe(answered);
		expect(provider.callsOf(`tier-${asked}`)[0]?.serviceTier).toBe(answered);
	});

	it.each([
		[{ messages: HELLO }, "model"],
		[{ model: "gpt-4o" }, "messages"],
		[{ model: "gpt-4o", messages: HELLO, max_tokens: -1 }, "max_tokens"],
		[{ model: "gpt-5", messages: HELLO, max_tokens: 10 }, "max_tokens"],
		[{ model: "gpt-4o", messages: HELLO, n: 0 }, "n"],
	])("rejects %j naming %s, unbilled", async (body, param) => {
		const before = provider.calls().length;
		const failure = await openai.chat.completions.create(body as never).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(OpenAI.BadRequestError);
		expect(failure).toMatchObject({ status: 400, type: "invalid_request_error", param });
		expect(provider.calls()).toHaveLength(before);
	});

	it("rejects a body that is no JSON", async () => {
		const response = await fetch(`${provider.url}/v1/chat/completions`, { method: "POST", body: "{" });
		expect(response.status).toBe(400);
		expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
	});
});

describe("responses", () => {
	it("answers plainly and remembers the context of an earlier response", async () => {
		const first = await openai.responses.create({ model: "gpt-4o", input: "Hello", max_output_tokens: 20 }, attempt("resp-1"));
		expect(first.output_text).toMatch(/^\[simulated\] /);
		expect(first).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, usage: { output_tokens: 20 } });
		expect(provider.callsOf("resp-1")[0]?.usage).toEqual(first.usage);
		const second = await openai.responses.create({ model: "gpt-4o", input: "Hello", max_output_tokens: 20, previous_response_id: first.id });
		expect(second.usage?.input_tokens).toBe((first.usage?.input_tokens ?? 0) + (first.usage?.total_tokens ?? 0));
		await expect(openai.responses.create({ model: "gpt-4o", input: "Hello", previous_response_id: "resp_other" })).rejects.toMatchObject({
			code: "previous_response_not_found",
		});
	});

	it("streams from created to completed with usage", async () => {
		const events = await collect(await openai.responses.create({ model: "o3", input: "Hello", stream: true }, attempt("resp-stream", { outputTokens: 300 })));
		expect(events[0]?.type).toBe("response.created");
		expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
		const last = events.at(-1);
		if (last?.type !== "response.completed") throw new Error(`ended with ${last?.type}`);
		expect(last.response.usage).toMatchObject({ output_tokens: 300, output_tokens_details: { reasoning_tokens: 64 } });
		const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
		expect(last.response.output.at(-1)).toMatchObject({ content: [{ text }] });
		expect(provider.callsOf("resp-stream").map((call) => call.usage)).toEqual([last.response.usage]);
	});

	it("calls a function", async () => {
		const stream = openai.responses.stream({
			model: "gpt-4o",
			input: "use get_weather",
			tools: [{ type: "function", name: "get_weather", parameters: WEATHER_SCHEMA, strict: false }],
		});
		const answer = await stream.finalResponse();
		expect(answer.output).toMatchObject([{ type: "function_call", name: "get_weather", arguments: '{"city":"[simulated]"}' }]);
	});
});

describe("embeddings and models", () => {
	it("gives the same unit vectors in both encodings", async () => {
		const body = { model: "text-embedding-3-small", input: ["one", "two"], dimensions: 64 };
		const [encoded, plain] = await Promise.all([
			openai.embeddings.create(body, attempt("embed-1")),
			openai.embeddings.create({ ...body, encoding_format: "float" }),
		]);
		expect(encoded.data.map((row) => row.embedding)).toEqual(plain.data.map((row) => row.embedding));
		expect(Math.hypot(...(plain.data[0]?.embedding ?? []))).toBeCloseTo(1, 5);
		expect(plain.data[0]?.embedding).not.toEqual(plain.data[1]?.embedding);
		expect(provider.callsOf("embed-1")).toMatchObject([{ serviceTier: null, usage: { prompt_tokens: 2, total_tokens: 2 } }]);
	});

	it("lists models to both clients", async () => {
		expect((await openai.models.list()).data.map((model) => model.id)).toContain("gpt-4o");
		expect((await anthropic.models.list()).data[0]).toMatchObject({ type: "model", display_name: expect.stringContaining("simulated") });
	});
});

describe("messages", () => {
	const body = { model: "claude-sonnet-5", max_tokens: 30, messages: HELLO };

	it("answers plainly and in a stream with the same words and usage", async () => {
		const plain = await anthropic.messages.create(body, attempt("msg-plain"));
		const streamed = await anthropic.messages.stream(body, attempt("msg-stream")).finalMessage();
		expect(plain.content).toMatchObject([{ type: "text", text: expect.stringMatching(/^\[simulated\] /) }]);
		expect(plain).toMatchObject({ stop_reason: "max_tokens", usage: { input_tokens: 11, output_tokens: 30, service_tier: "standard" } });
		expect(streamed.content).toEqual(plain.content);
		expect(streamed.usage).toEqual(plain.usage);
		expect(plain._request_id).toBe(provider.callsOf("msg-plain")[0]?.providerRequestId);
		expect([...provider.callsOf("msg-plain"), ...provider.callsOf("msg-stream")].map((call) => call.usage)).toEqual([plain.usage, plain.usage]);
	});

	it("sends the events in order, output counted cumulatively", async () => {
		const events = await collect(await anthropic.messages.create({ ...body, max_tokens: 3, stream: true }));
		expect(events.map((event) => event.type)).toEqual([
			"message_start",
			"content_block_start",
			"content_block_delta",
			"content_block_delta",
			"content_block_delta",
			"content_block_stop",
			"message_delta",
			"message_stop",
		]);
		expect(events[0]).toMatchObject({ message: { usage: { output_tokens: 1, cache_creation: { ephemeral_5m_input_tokens: 0 } } } });
		expect(events.find((event) => event.type === "message_delta")).toMatchObject({ usage: { output_tokens: 3 } });
	});

	it("thinks, uses tools and splits cache writes by time to live", async () => {
		const thinking = await anthropic.messages.create({ ...body, max_tokens: 2048, thinking: { type: "enabled", budget_tokens: 1024 } });
		expect(thinking.content.map((block) => block.type)).toEqual(["thinking", "text"]);
		expect(thinking.usage.output_tokens_details?.thinking_tokens).toBeGreaterThan(0);
		const tools = [{ name: "get_weather", input_schema: WEATHER_SCHEMA }];
		const toolUse = await anthropic.messages.stream({ ...body, tools, messages: [{ role: "user", content: "use get_weather" }] }).finalMessage();
		expect(toolUse).toMatchObject({ stop_reason: "tool_use", content: [{ type: "tool_use", name: "get_weather", input: { city: "[simulated]" } }] });
		const system = [
			{ type: "text" as const, text: "s".repeat(6_000), cache_control: { type: "ephemeral" as const, ttl: "1h" as const } },
			{ type: "text" as const, text: "t".repeat(4_000), cache_control: { type: "ephemeral" as const } },
		];
		const written = await anthropic.messages.create({ ...body, system });
		const read = await anthropic.messages.create({ ...body, system });
		expect(written.usage).toMatchObject({
			cache_creation_input_tokens: 2_503,
			cache_creation: { ephemeral_1h_input_tokens: 1_503, ephemeral_5m_input_tokens: 1_000 },
			cache_read_input_tokens: 0,
		});
		expect(read.usage).toMatchObject({ cache_creation_input_tokens: 0, cache_read_input_tokens: 2_503, input_tokens: written.usage.input_tokens });
	});

	it("counts tokens without a bill", async () => {
		const before = provider.calls().length;
		expect(await anthropic.messages.countTokens({ model: body.model, messages: HELLO })).toEqual({ input_tokens: 11 });
		expect(provider.calls()).toHaveLength(before);
	});

	it("rejects in its own shape", async () => {
		const failure = await anthropic.messages.create({ model: "m", messages: HELLO } as never).catch((error: unknown) => error);
		expect(failure).toBeInstanceOf(Anthropic.BadRequestError);
		expect(failure).toMatchObject({
			status: 400,
			error: { type: "error", error: { type: "invalid_request_error", message: "max_tokens: Field required" }, request_id: expect.any(String) },
		});
		await expect(anthropic.messages.create({ ...body, thinking: { type: "enabled", budget_tokens: 1024 } })).rejects.toMatchObject({ status: 400 });
		const noVersion = await fetch(`${provider.url}/v1/messages`, { method: "POST", body: JSON.stringify(body) });
		expect(noVersion.status).toBe(400);
	});
});
