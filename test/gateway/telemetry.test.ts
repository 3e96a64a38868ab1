import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createOtlpTelemetry, type OtlpOptions } from "#activities/telemetry/otlp.ts";
import type { ProviderTable } from "#config/providers.ts";
import { findLeaks } from "#test/support/canaries.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { PROVIDER_KEY_CANARY, simulatedProviderTable, startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "#test/support/otlp-receiver.ts";
import { chatBody, JSON_HEADERS, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { startScriptedProvider } from "#test/support/scripted-provider.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { until } from "#test/support/until.ts";

/** Every call leaves as one span, read here by the official definitions as a collector reads it. */

const RUN = "run-7";
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_ID = "00f067aa0ba902b7";
const PROMPT_CANARY = "prompt-canary-9d1e77f0c2";
const ANTHROPIC = ["x-api-key", TEST_KEY, "content-type", "application/json", "anthropic-version", "2023-06-01"];

let provider: SimulatedProvider;
let receiver: OtlpReceiver;
let gateway: TestGateway;
let authority: FakeAuthority;

beforeAll(async () => {
	provider = await startSimulatedProvider();
});
afterAll(() => provider.close());

beforeEach(async () => {
	receiver = await startOtlpReceiver();
	authority = createFakeAuthority(testPriceBook());
	authority.keys.set(TEST_KEY, keyIdentity({ teamId: "demo", feature: "search", userId: "ada", environment: "prod" }));
	await start();
	return async () => {
		await gateway.close();
		await receiver.close();
	};
});

async function start(options: Partial<OtlpOptions> = {}, providerUrl = provider.url, table?: ProviderTable): Promise<void> {
	await gateway?.close();
	const telemetry = createOtlpTelemetry({
		url: `${receiver.url}/v1/traces`,
		headers: { "x-api-key": "receiver-key" },
		timeoutMs: 2_000,
		compression: "none",
		resource: { "service.name": "tollgate" },
		sampler: { parentBased: true, share: 1 },
		contentBytesMax: undefined,
		queueMax: 100,
		batchMax: 8,
		delayMs: 1,
		onProblem: () => undefined,
		onRecovered: () => undefined,
		...options,
	});
	gateway = await startTestGateway({ authority, providerUrl, telemetry, ...(table && { table }) });
}

async function onlySpan(): Promise<ReceivedSpan> {
	await receiver.whenSpans(1);
	expect(receiver.spans).toHaveLength(1);
	return receiver.spans[0] as ReceivedSpan;
}

function onlyAttempt() {
	expect(authority.attempts).toHaveLength(1);
	const [attempt] = authority.attempts;
	if (attempt === undefined) throw new Error("no attempt");
	return attempt;
}

function messagesIn(span: ReceivedSpan, attribute: string): unknown {
	return JSON.parse(String(span.attributes[attribute]));
}

describe("an answered call", () => {
	test("chat completions: the conventions' attributes, the cost, whose it is, and nothing of what was said", async () => {
		const body = chatBody({}, { temperature: 0.5, seed: 7, stop: ["never"], messages: [{ role: "user", content: PROMPT_CANARY }] });
		const answer = await rawCall(gateway.url, { body });
		const said = JSON.parse(answer.body.toString()) as OpenAI.ChatCompletion;
		const span = await onlySpan();
		const attempt = onlyAttempt();
		expect(span).toMatchObject({
			name: "chat gpt-4o",
			kind: 3,
			parentSpanId: "",
			scope: "tollgate",
			status: { code: 0 },
			resource: { "service.name": "tollgate" },
		});
		expect(span.attributes).toMatchObject({
			"gen_ai.operation.name": "chat",
			"gen_ai.provider.name": "openai",
			"gen_ai.system": "openai",
			"gen_ai.request.model": "gpt-4o",
			"gen_ai.request.max_tokens": 40,
			"gen_ai.request.temperature": 0.5,
			"gen_ai.request.seed": 7,
			"gen_ai.response.id": said.id,
			"gen_ai.response.model": said.model,
			"gen_ai.response.finish_reasons": [said.choices[0]?.finish_reason],
			"gen_ai.usage.input_tokens": said.usage?.prompt_tokens,
			"gen_ai.usage.output_tokens": said.usage?.completion_tokens,
			"gen_ai.usage.cost": Number(attempt.costNanoUsd) / 1e9,
			"server.address": "127.0.0.1",
			"server.port": Number(new URL(provider.url).port),
			"langfuse.observation.type": "generation",
			"langfuse.user.id": "ada",
			"langfuse.environment": "prod",
			"langsmith.span.kind": "llm",
			"tollgate.team": "demo",
			"tollgate.feature": "search",
			"tollgate.user": "ada",
			"tollgate.key.id": "key1",
			"tollgate.request.id": answer.headers["x-tollgate-request-id"],
			"tollgate.attempt.id": attempt.attemptId,
			"tollgate.outcome": "settled",
			"tollgate.cost.nano_usd": attempt.costNanoUsd.toString(),
			"tollgate.reserved.nano_usd": attempt.reservedNanoUsd.toString(),
			"tollgate.price.version": attempt.input.book.version,
			"tollgate.response.status": 200,
		});
		expect(attempt.costNanoUsd > 0n).toBe(true);
		expect(messagesIn(span, "langfuse.observation.cost_details")).toEqual({ total: Number(attempt.costNanoUsd) / 1e9 });
		expect(messagesIn(span, "langsmith.usage_metadata")).toMatchObject({
			input_tokens: said.usage?.prompt_tokens,
			total_cost: Number(attempt.costNanoUsd) / 1e9,
		});
		expect(span.attributes["error.type"]).toBeUndefined();
		expect(Object.keys(span.attributes).filter((name) => /messages|instructions|stop_sequences/.test(name))).toEqual([]);
		expect(receiver.bodies[0]?.includes(PROMPT_CANARY)).toBe(false);
		expect(receiver.headers[0]?.["x-api-key"]).toBe("receiver-key");
		expect(span.endNano >= span.startNano).toBe(true);
	});

	test("a chat stream by the official client: finish reason, id, usage, and when its first chunk came", async () => {
		const openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
		const stream = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 20, stream: true, messages: [{ role: "user", content: "hello" }] });
		let id = "";
		for await (const chunk of stream) id = chunk.id;
		const { attributes } = await onlySpan();
		expect(attributes).toMatchObject({
			"gen_ai.request.stream": true,
			"gen_ai.response.id": id,
			"gen_ai.response.finish_reasons": ["length"],
			"gen_ai.usage.output_tokens": 20,
			"tollgate.cost.nano_usd": onlyAttempt().costNanoUsd.toString(),
		});
		expect(attributes["gen_ai.response.time_to_first_chunk"]).toBeGreaterThan(0);
	});

	test.each([false, true])("Anthropic messages, stream %s: reads and writes of a cache are in the input, and beside it", async (stream) => {
		const anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: gateway.url, maxRetries: 0 });
		const text = `[[simulate:${JSON.stringify({ inputTokens: 100, cachedTokens: 60, cacheWriteTokens: 30, outputTokens: 9 })}]]`;
		const content = [{ type: "text" as const, text, cache_control: { type: "ephemeral" as const } }];
		const asked = { model: "claude-sonnet-5-5", max_tokens: 20, messages: [{ role: "user" as const, content }] };
		if (stream) for await (const event of await anthropic.messages.create({ ...asked, stream: true })) expect(event.type).not.toBe("error");
		else await anthropic.messages.create(asked);
		const { name, attributes } = await onlySpan();
		expect(name).toBe("chat claude-sonnet-5-5");
		expect(attributes).toMatchObject({
			"gen_ai.provider.name": "anthropic",
			"gen_ai.usage.input_tokens": 100,
			"gen_ai.usage.cache_read.input_tokens": 60,
			"gen_ai.usage.cache_creation.input_tokens": 30,
			"gen_ai.usage.output_tokens": 9,
			"gen_ai.response.finish_reasons": ["end_turn"],
			"tollgate.cost.nano_usd": onlyAttempt().costNanoUsd.toString(),
		});
		expect(attributes["gen_ai.response.id"]).toMatch(/^msg_/);
	});

	test.each([false, true])("responses, stream %s: why it ended is its status", async (stream) => {
		const body = JSON.stringify({ model: "gpt-4o", max_output_tokens: 16, stream, input: "hello" });
		await rawCall(gateway.url, { path: "/v1/responses", body });
		const { attributes } = await onlySpan();
		expect(attributes).toMatchObject({
			"gen_ai.operation.name": "chat",
			"gen_ai.request.max_tokens": 16,
			"gen_ai.response.finish_reasons": ["max_output_tokens"],
		});
		expect(attributes["gen_ai.response.id"]).toMatch(/^resp_/);
	});

	test("embeddings", async () => {
		await rawCall(gateway.url, { path: "/v1/embeddings", body: JSON.stringify({ model: "text-embedding-3-small", input: "hello", dimensions: 8 }) });
		const { name, attributes } = await onlySpan();
		expect(name).toBe("embeddings text-embedding-3-small");
		expect(attributes).toMatchObject({
			"gen_ai.operation.name": "embeddings",
			"gen_ai.embeddings.dimension.count": 8,
			"langfuse.observation.type": "embedding",
		});
	});

	test("a clamped call says to what", async () => {
		authority.moneyNanoUsd = 5_000_000n;
		await rawCall(gateway.url, { body: chatBody({ outputTokens: 3 }, { max_tokens: undefined }) });
		const { attributes } = await onlySpan();
		expect(attributes["tollgate.clamped_output_tokens"]).toBe(onlyAttempt().clampedOutputTokens);
		expect(onlyAttempt().clampedOutputTokens).toBeGreaterThan(0);
	});

	test("tried at two deployments it is one span, with an event for each", async () => {
		const [openai] = simulatedProviderTable(provider.url).providers;
		if (openai === undefined) throw new Error("no provider");
		const target = { model: "gpt-4o", pricedAsModel: "gpt-4o" };
		// Nobody listens at port 1.
		const providers = [{ ...openai, name: "dead", baseUrl: "http://127.0.0.1:1/v1" }, openai];
		const aliases = {
			fast: [
				{ ...target, provider: "dead" },
				{ ...target, provider: "openai" },
			],
		};
		await start({}, provider.url, { providers, aliases });
		await rawCall(gateway.url, { body: chatBody({}, { model: "fast" }) });
		const { name, attributes, events } = await onlySpan();
		const [dead, live] = authority.attempts;
		expect(name).toBe("chat gpt-4o");
		expect(attributes).toMatchObject({ "tollgate.attempts": 2, "tollgate.model.asked": "fast", "tollgate.cost.nano_usd": live?.costNanoUsd.toString() });
		expect(events.map((event) => event.name)).toEqual(["tollgate.attempt", "tollgate.attempt"]);
		expect(events.map((event) => event.attributes)).toMatchObject([
			{ "tollgate.attempt.id": dead?.attemptId, "tollgate.deployment": "dead/gpt-4o", "tollgate.outcome": "released", "tollgate.cost.nano_usd": "0" },
			{ "tollgate.attempt.id": live?.attemptId, "tollgate.deployment": "openai/gpt-4o", "tollgate.outcome": "settled" },
		]);
	});

	test("whose bodies are too much to wait goes without what they say", async () => {
		await start({ delayMs: 60_000 });
		const messages = [{ role: "user", content: "x".repeat(17 * 1024 * 1024) }];
		for (let count = 0; count < 2; count++) await rawCall(gateway.url, { body: chatBody({}, { messages }) });
		await gateway.close();
		const [first, second] = receiver.spans;
		expect(first?.attributes["tollgate.bodies_let_go"]).toBeUndefined();
		expect(second?.attributes).toMatchObject({ "tollgate.bodies_let_go": true, "tollgate.cost.nano_usd": first?.attributes["tollgate.cost.nano_usd"] });
		expect(first?.attributes["tollgate.request.id"]).not.toBe(second?.attributes["tollgate.request.id"]);
	});

	test("a repeated call under its Idempotency-Key cost nothing, and names the first", async () => {
		const headers = [...JSON_HEADERS, "idempotency-key", "one"];
		const first = await rawCall(gateway.url, { body: chatBody({}), headers });
		await rawCall(gateway.url, { body: chatBody({}), headers });
		const [, second] = await receiver.whenSpans(2);
		expect(second?.attributes).toMatchObject({
			"tollgate.cost.nano_usd": "0",
			"tollgate.cache": "idempotent_replay",
			"tollgate.replay_of": first.headers["x-tollgate-request-id"],
			"tollgate.attempts": 0,
		});
		expect(second?.attributes["gen_ai.usage.input_tokens"]).toBeUndefined();
	});
});

describe("a call that failed", () => {
	test("refused by a budget: its code, the budget, no cost", async () => {
		authority.moneyNanoUsd = 0n;
		authority.refusal = { budget: "team demo, day", budgetId: "budget-1" };
		await rawCall(gateway.url, { body: chatBody({}) });
		const span = await onlySpan();
		expect(span).toMatchObject({ name: "chat gpt-4o", status: { code: 2, message: "budget.exceeded" } });
		expect(span.attributes).toMatchObject({
			"error.type": "budget.exceeded",
			"tollgate.refusal.code": "budget.exceeded",
			"tollgate.refusal.budget": "team demo, day",
			"tollgate.refusal.budget_id": "budget-1",
			"tollgate.cost.nano_usd": "0",
			"tollgate.response.status": 402,
		});
	});

	test("a body that is no JSON is a span without a model", async () => {
		await rawCall(gateway.url, { body: "no json" });
		expect(await onlySpan()).toMatchObject({ name: "chat", attributes: { "error.type": "request.invalid" } });
	});

	test("an error of the provider is named in its own words, its message is not told", async () => {
		await rawCall(gateway.url, { body: chatBody({ status: 429, errorCode: "rate_limit_exceeded" }) });
		const span = await onlySpan();
		expect(span.attributes).toMatchObject({
			"error.type": "rate_limit_exceeded",
			"tollgate.provider.status": 429,
			"tollgate.outcome": "released",
			"tollgate.cost.nano_usd": "0",
		});
		expect(span.status.code).toBe(2);
	});

	test("a stream that breaks is charged, and says why", async () => {
		await rawCall(gateway.url, { body: chatBody({ fault: "cut_mid_stream" }, { stream: true }) });
		const span = await onlySpan();
		expect(span.attributes).toMatchObject({
			"error.type": "cut",
			"tollgate.outcome": "unresolved",
			"tollgate.outcome.reason": "cut",
			"tollgate.cost.nano_usd": onlyAttempt().reservedNanoUsd.toString(),
		});
	});

	test("an unknown key makes no span", async () => {
		await rawCall(gateway.url, { body: chatBody({}), headers: ["authorization", "Bearer tg-unknown", "content-type", "application/json"] });
		await rawCall(gateway.url, { body: chatBody({}) });
		expect((await onlySpan()).attributes["tollgate.response.status"]).toBe(200);
	});
});

describe("the trace of the caller", () => {
	const parent = (flags: string) => ["traceparent", `00-${TRACE_ID}-${PARENT_ID}-${flags}`, "tracestate", "vendor=1"];

	test("goes on: the span is a child of his", async () => {
		await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("01")] });
		expect(await onlySpan()).toMatchObject({ traceId: TRACE_ID, parentSpanId: PARENT_ID, traceState: "vendor=1" });
	});

	test("that is not sampled makes no span", async () => {
		await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("00")] });
		await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("01")] });
		await onlySpan();
		expect((await rawCall(gateway.url, { method: "GET", path: "/metrics" })).body.toString()).toContain("tollgate_spans_unsampled_total 1");
	});

	test("that is not sampled makes one where the sampler does not ask the parent", async () => {
		await start({ sampler: { parentBased: false, share: 1 } });
		await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...parent("00")] });
		expect(await onlySpan()).toMatchObject({ traceId: TRACE_ID, parentSpanId: PARENT_ID });
	});

	test("that cannot be read is as if there were none", async () => {
		await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, "traceparent", "00-nonsense"] });
		expect((await onlySpan()).parentSpanId).toBe("");
	});

	test("a named run is the conversation", async () => {
		await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, "x-tollgate-run", RUN, "x-tollgate-agent", "planner"] });
		expect((await onlySpan()).attributes).toMatchObject({
			"gen_ai.conversation.id": RUN,
			"gen_ai.agent.name": "planner",
			"langfuse.session.id": RUN,
			"langsmith.metadata.thread_id": RUN,
			"tollgate.run.id": RUN,
		});
	});
});

describe("what was said, where it is asked for", () => {
	beforeEach(() => start({ contentBytesMax: 4_096 }));

	test.each([false, true])("chat, stream %s: messages of both sides in the conventions' form", async (stream) => {
		const messages = [
			{ role: "system", content: "Be kind." },
			{
				role: "user",
				content: [
					{ type: "text", text: "hello" },
					{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
				],
			},
		];
		const answer = await rawCall(gateway.url, { body: chatBody({}, { stream, messages, max_tokens: 12 }) });
		const span = await onlySpan();
		expect(messagesIn(span, "gen_ai.input.messages")).toEqual([
			{ role: "system", parts: [{ type: "text", content: "Be kind." }] },
			{
				role: "user",
				parts: [
					{ type: "text", content: "hello" },
					{ type: "image", content: "[left out]" },
				],
			},
		]);
		const [output] = messagesIn(span, "gen_ai.output.messages") as { role: string; parts: { content: string }[]; finish_reason: string }[];
		expect(output).toMatchObject({ role: "assistant", finish_reason: "length" });
		expect(output?.parts[0]?.content.startsWith("[simulated]")).toBe(true);
		if (!stream) expect(output?.parts[0]?.content).toBe((JSON.parse(answer.body.toString()) as OpenAI.ChatCompletion).choices[0]?.message.content);
	});

	test.each([false, true])("Anthropic, stream %s: system instructions apart, tool calls with their arguments", async (stream) => {
		const tools = [{ name: "look_up", input_schema: { type: "object", properties: { city: { type: "string" } } } }];
		const messages = [{ role: "user", content: `[[simulate:{"toolCall":"look_up"}]]` }];
		await rawCall(gateway.url, {
			path: "/v1/messages",
			headers: ANTHROPIC,
			body: messagesBody({}, { model: "claude-sonnet-5-5", system: "Be kind.", tools, stream, messages }),
		});
		const span = await onlySpan();
		expect(messagesIn(span, "gen_ai.system_instructions")).toEqual([{ type: "text", content: "Be kind." }]);
		const [output] = messagesIn(span, "gen_ai.output.messages") as { parts: { type: string; name?: string; arguments?: unknown }[]; finish_reason: string }[];
		expect(output?.finish_reason).toBe("tool_use");
		expect(output?.parts.find((part) => part.type === "tool_call")).toMatchObject({ name: "look_up", arguments: expect.any(Object) });
	});

	test.each([false, true])("responses, stream %s", async (stream) => {
		await rawCall(gateway.url, {
			path: "/v1/responses",
			body: JSON.stringify({ model: "gpt-4o", max_output_tokens: 16, stream, instructions: "Be kind.", input: "hello" }),
		});
		const span = await onlySpan();
		expect(messagesIn(span, "gen_ai.input.messages")).toEqual([{ role: "user", parts: [{ type: "text", content: "hello" }] }]);
		expect(messagesIn(span, "gen_ai.system_instructions")).toEqual([{ type: "text", content: "Be kind." }]);
		const [output] = messagesIn(span, "gen_ai.output.messages") as { parts: { content: string }[] }[];
		expect(output?.parts[0]?.content.startsWith("[simulated]")).toBe(true);
	});

	test("is bounded, and says that it was cut", async () => {
		await rawCall(gateway.url, { body: chatBody({}, { messages: [{ role: "user", content: "x".repeat(100_000) }] }) });
		const { attributes } = await onlySpan();
		expect(attributes["tollgate.content_cut"]).toBe(true);
		expect(Buffer.byteLength(String(attributes["gen_ai.input.messages"]))).toBeLessThanOrEqual(4_096);
		expect(messagesIn(receiver.spans[0] as ReceivedSpan, "gen_ai.input.messages")).toMatchObject([{ role: "user" }]);
	});
});

describe("no key of anybody", () => {
	const OWN_KEY = `tg-${"V1rtualKeyCanary".repeat(3)}`;
	const canaries = [
		{ name: "the provider's key", secret: PROVIDER_KEY_CANARY },
		{ name: "a virtual key", secret: OWN_KEY },
	];

	test.each([undefined, 4_096])("whoever repeats it, with content of %s bytes", async (contentBytesMax) => {
		const echo = JSON.stringify({
			id: PROVIDER_KEY_CANARY,
			model: PROVIDER_KEY_CANARY,
			choices: [{ index: 0, finish_reason: PROVIDER_KEY_CANARY, message: { role: "assistant", content: `${OWN_KEY} ${PROVIDER_KEY_CANARY}` } }],
			usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
		});
		const delta = (content: string) => `data: ${JSON.stringify({ id: "x", choices: [{ index: 0, delta: { content } }] })}\n\n`;
		const error = JSON.stringify({ error: { message: `bad key ${PROVIDER_KEY_CANARY}`, code: PROVIDER_KEY_CANARY } });
		const scripted = await startScriptedProvider(({ body, response }) => {
			const text = body.toString();
			if (text.includes("as stream")) {
				response.writeHead(200, { "content-type": "text/event-stream" });
				// In two events, so that no search of the bytes finds it.
				response.end(`${delta(PROVIDER_KEY_CANARY.slice(0, 9))}${delta(PROVIDER_KEY_CANARY.slice(9))}data: [DONE]\n\n`);
			} else if (text.includes("as error")) response.writeHead(401, { "content-type": "application/json" }).end(error);
			else response.writeHead(200, { "content-type": "application/json" }).end(echo);
		});
		try {
			await start({ contentBytesMax }, scripted.url);
			const said = `${OWN_KEY} ${PROVIDER_KEY_CANARY} ${"y".repeat(3_700)} ${OWN_KEY} ${PROVIDER_KEY_CANARY}`;
			const headers = [...JSON_HEADERS, "x-tollgate-run", OWN_KEY, "x-tollgate-agent", PROVIDER_KEY_CANARY];
			for (const how of ["plain", "as stream", "as error"]) {
				const messages = [{ role: "user", content: `${how} ${said}`, name: OWN_KEY }];
				await rawCall(gateway.url, { headers, body: chatBody({}, { messages, stream: how === "as stream", stop: [OWN_KEY] }) });
			}
			await rawCall(gateway.url, { body: chatBody({}, { model: OWN_KEY }) });
			await receiver.whenSpans(4);
			const sources = receiver.bodies.map((body, index) => ({ name: `message ${index}`, content: body.toString("latin1") }));
			expect(findLeaks(canaries, sources)).toEqual([]);
			expect(receiver.bodies.some((body) => body.includes("[redacted]"))).toBe(true);
		} finally {
			await scripted.close();
		}
	});
});

describe("a receiver that does not take them", () => {
	const metrics = async () => (await rawCall(gateway.url, { method: "GET", path: "/metrics" })).body.toString();

	test("that is away: calls are answered, losses are counted and told once, and it is heard of again", async () => {
		const problems: string[] = [];
		const recovered: boolean[] = [];
		await start({ timeoutMs: 100, onProblem: (problem) => void problems.push(problem), onRecovered: () => void recovered.push(true) });
		receiver.behave(500);
		for (let count = 0; count < 3; count++) expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(200);
		await until("the loss", async () => (await metrics()).includes('tollgate_spans_lost_total{reason="export_failed"} 3'));
		receiver.behave("take");
		expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(200);
		await onlySpan();
		await until("the count", async () => (await metrics()).includes("tollgate_spans_exported_total 1"));
		expect(problems).toHaveLength(1);
		expect(recovered).toHaveLength(1);
	});

	test("that hangs: what waits is bounded, the rest is lost and counted, and what waited leaves when it wakes", async () => {
		await start({ queueMax: 5, batchMax: 1, timeoutMs: 20_000 });
		receiver.behave("hang");
		for (let count = 0; count < 8; count++) expect((await rawCall(gateway.url, { body: chatBody({}) })).status).toBe(200);
		await until("the loss", async () => (await metrics()).includes('tollgate_spans_lost_total{reason="queue_full"} 3'));
		expect(await metrics()).toContain("tollgate_spans_waiting 5");
		receiver.behave("take");
		await receiver.whenSpans(5);
		await until("none waits", async () => (await metrics()).includes("tollgate_spans_waiting 0"));
		expect(receiver.spans).toHaveLength(5);
	});

	test("a gateway that ends sends what waits, and waits for nobody who hangs", async () => {
		await start({ delayMs: 60_000 });
		await rawCall(gateway.url, { body: chatBody({}) });
		expect(receiver.spans).toHaveLength(0);
		await gateway.close();
		expect(receiver.spans).toHaveLength(1);
		await start({ timeoutMs: 60_000 });
		receiver.behave("hang");
		await rawCall(gateway.url, { body: chatBody({}) });
		const startedAtMs = performance.now();
		await gateway.close();
		expect(performance.now() - startedAtMs).toBeLessThan(4_000);
	});
});
