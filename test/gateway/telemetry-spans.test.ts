import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { simulatedProviderTable } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";
import { messagesIn, useTelemetryStand } from "#test/support/telemetry-stand.ts";

/** Every call leaves as one span that says what it was, what it cost and why it was refused. */

const PROMPT_CANARY = "prompt-canary-9d1e77f0c2";

const stand = useTelemetryStand();

describe("an answered call", () => {
	test("chat completions: the conventions' attributes, the cost, whose it is, and nothing of what was said", async () => {
		const body = chatBody({}, { temperature: 0.5, seed: 7, stop: ["never"], messages: [{ role: "user", content: PROMPT_CANARY }] });
		const answer = await rawCall(stand.gateway.url, { body });
		const said = JSON.parse(answer.body.toString()) as OpenAI.ChatCompletion;
		const span = await stand.onlySpan();
		const attempt = stand.onlyAttempt();
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
			"server.port": Number(new URL(stand.provider.url).port),
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
		expect(stand.receiver.bodies[0]?.includes(PROMPT_CANARY)).toBe(false);
		expect(stand.receiver.headers[0]?.["x-api-key"]).toBe("receiver-key");
		expect(span.endNano >= span.startNano).toBe(true);
	});

	test("a chat stream by the official client: finish reason, id, usage, and when its first chunk came", async () => {
		const openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${stand.gateway.url}/v1`, maxRetries: 0 });
		const stream = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 20, stream: true, messages: [{ role: "user", content: "hello" }] });
		let id = "";
		for await (const chunk of stream) id = chunk.id;
		const { attributes } = await stand.onlySpan();
		expect(attributes).toMatchObject({
			"gen_ai.request.stream": true,
			"gen_ai.response.id": id,
			"gen_ai.response.finish_reasons": ["length"],
			"gen_ai.usage.output_tokens": 20,
			"tollgate.cost.nano_usd": stand.onlyAttempt().costNanoUsd.toString(),
		});
		expect(attributes["gen_ai.response.time_to_first_chunk"]).toBeGreaterThan(0);
	});

	test.each([false, true])("Anthropic messages, stream %s: reads and writes of a cache are in the input, and beside it", async (stream) => {
		const anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: stand.gateway.url, maxRetries: 0 });
		const text = `[[simulate:${JSON.stringify({ inputTokens: 100, cachedTokens: 60, cacheWriteTokens: 30, outputTokens: 9 })}]]`;
		const content = [{ type: "text" as const, text, cache_control: { type: "ephemeral" as const } }];
		const asked = { model: "claude-sonnet-5-5", max_tokens: 20, messages: [{ role: "user" as const, content }] };
		if (stream) for await (const event of await anthropic.messages.create({ ...asked, stream: true })) expect(event.type).not.toBe("error");
		else await anthropic.messages.create(asked);
		const { name, attributes } = await stand.onlySpan();
		expect(name).toBe("chat claude-sonnet-5-5");
		expect(attributes).toMatchObject({
			"gen_ai.provider.name": "anthropic",
			"gen_ai.usage.input_tokens": 100,
			"gen_ai.usage.cache_read.input_tokens": 60,
			"gen_ai.usage.cache_creation.input_tokens": 30,
			"gen_ai.usage.output_tokens": 9,
			"gen_ai.response.finish_reasons": ["end_turn"],
			"tollgate.cost.nano_usd": stand.onlyAttempt().costNanoUsd.toString(),
		});
		expect(attributes["gen_ai.response.id"]).toMatch(/^msg_/);
	});

	test.each([false, true])("responses, stream %s: why it ended is its status", async (stream) => {
		const body = JSON.stringify({ model: "gpt-4o", max_output_tokens: 16, stream, input: "hello" });
		await rawCall(stand.gateway.url, { path: "/v1/responses", body });
		const { attributes } = await stand.onlySpan();
		expect(attributes).toMatchObject({
			"gen_ai.operation.name": "chat",
			"gen_ai.request.max_tokens": 16,
			"gen_ai.response.finish_reasons": ["max_output_tokens"],
		});
		expect(attributes["gen_ai.response.id"]).toMatch(/^resp_/);
	});

	test("embeddings", async () => {
		await rawCall(stand.gateway.url, { path: "/v1/embeddings", body: JSON.stringify({ model: "text-embedding-3-small", input: "hello", dimensions: 8 }) });
		const { name, attributes } = await stand.onlySpan();
		expect(name).toBe("embeddings text-embedding-3-small");
		expect(attributes).toMatchObject({
			"gen_ai.operation.name": "embeddings",
			"gen_ai.embeddings.dimension.count": 8,
			"langfuse.observation.type": "embedding",
		});
	});

	test("a clamped call says to what", async () => {
		stand.authority.moneyNanoUsd = 5_000_000n;
		await rawCall(stand.gateway.url, { body: chatBody({ outputTokens: 3 }, { max_tokens: undefined }) });
		const { attributes } = await stand.onlySpan();
		expect(attributes["tollgate.clamped_output_tokens"]).toBe(stand.onlyAttempt().clampedOutputTokens);
		expect(stand.onlyAttempt().clampedOutputTokens).toBeGreaterThan(0);
	});

	test("tried at two deployments it is one span, with an event for each", async () => {
		const [openai] = simulatedProviderTable(stand.provider.url).providers;
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
		await stand.start({}, stand.provider.url, { providers, aliases });
		await rawCall(stand.gateway.url, { body: chatBody({}, { model: "fast" }) });
		const { name, attributes, events } = await stand.onlySpan();
		const [dead, live] = stand.authority.attempts;
		expect(name).toBe("chat gpt-4o");
		expect(attributes).toMatchObject({ "tollgate.attempts": 2, "tollgate.model.asked": "fast", "tollgate.cost.nano_usd": live?.costNanoUsd.toString() });
		expect(events.map((event) => event.name)).toEqual(["tollgate.attempt", "tollgate.attempt"]);
		expect(events.map((event) => event.attributes)).toMatchObject([
			{ "tollgate.attempt.id": dead?.attemptId, "tollgate.deployment": "dead/gpt-4o", "tollgate.outcome": "released", "tollgate.cost.nano_usd": "0" },
			{ "tollgate.attempt.id": live?.attemptId, "tollgate.deployment": "openai/gpt-4o", "tollgate.outcome": "settled" },
		]);
	});

	test("whose bodies are too much to wait goes without what they say", async () => {
		await stand.start({ delayMs: 60_000 });
		const messages = [{ role: "user", content: "x".repeat(17 * 1024 * 1024) }];
		for (let count = 0; count < 2; count++) await rawCall(stand.gateway.url, { body: chatBody({}, { messages }) });
		await stand.gateway.close();
		const [first, second] = stand.receiver.spans;
		expect(first?.attributes["tollgate.bodies_let_go"]).toBeUndefined();
		expect(second?.attributes).toMatchObject({ "tollgate.bodies_let_go": true, "tollgate.cost.nano_usd": first?.attributes["tollgate.cost.nano_usd"] });
		expect(first?.attributes["tollgate.request.id"]).not.toBe(second?.attributes["tollgate.request.id"]);
	});

	test("a repeated call under its Idempotency-Key cost nothing, and names the first", async () => {
		const headers = [...JSON_HEADERS, "idempotency-key", "one"];
		const first = await rawCall(stand.gateway.url, { body: chatBody({}), headers });
		await rawCall(stand.gateway.url, { body: chatBody({}), headers });
		const [, second] = await stand.receiver.whenSpans(2);
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
		stand.authority.moneyNanoUsd = 0n;
		stand.authority.refusal = { budget: "team demo, day", budgetId: "budget-1" };
		await rawCall(stand.gateway.url, { body: chatBody({}) });
		const span = await stand.onlySpan();
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
		await rawCall(stand.gateway.url, { body: "no json" });
		expect(await stand.onlySpan()).toMatchObject({ name: "chat", attributes: { "error.type": "request.invalid" } });
	});

	test("an error of the provider is named in its own words, its message is not told", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({ status: 429, errorCode: "rate_limit_exceeded" }) });
		const span = await stand.onlySpan();
		expect(span.attributes).toMatchObject({
			"error.type": "rate_limit_exceeded",
			"tollgate.provider.status": 429,
			"tollgate.outcome": "released",
			"tollgate.cost.nano_usd": "0",
		});
		expect(span.status.code).toBe(2);
	});

	test("a stream that breaks is charged, and says why", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({ fault: "cut_mid_stream" }, { stream: true }) });
		const span = await stand.onlySpan();
		expect(span.attributes).toMatchObject({
			"error.type": "cut",
			"tollgate.outcome": "unresolved",
			"tollgate.outcome.reason": "cut",
			"tollgate.cost.nano_usd": stand.onlyAttempt().reservedNanoUsd.toString(),
		});
	});

	test("an unknown key makes no span", async () => {
		await rawCall(stand.gateway.url, { body: chatBody({}), headers: ["authorization", "Bearer tg-unknown", "content-type", "application/json"] });
		await rawCall(stand.gateway.url, { body: chatBody({}) });
		expect((await stand.onlySpan()).attributes["tollgate.response.status"]).toBe(200);
	});
});
