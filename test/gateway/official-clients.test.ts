import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

let provider: SimulatedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
	provider = await startSimulatedProvider({ TOLLGATE_SIMULATOR_KEY: "sk-provider-canary-4f1d9c" });
});
afterAll(() => provider.close());

beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
	anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: gateway.url, maxRetries: 0 });
	return () => gateway.close();
});

function lastAttempt() {
	const attempt = authority.attempts.at(-1);
	if (attempt === undefined) throw new Error("no attempt");
	return attempt;
}

/** The provider's log holds this attempt once, with these output tokens. */
function billedOutput(attemptId: string): unknown {
	const lines = provider.callsOf(attemptId);
	expect(lines).toHaveLength(1);
	const usage = lines[0]?.usage ?? {};
	return usage["completion_tokens"] ?? usage["output_tokens"] ?? usage["prompt_tokens"];
}

describe("the openai client, unmodified", () => {
	test("chat completions: the answer, its cost and its headers", async () => {
		const { data, response } = await openai.chat.completions
			.create({ model: "gpt-4o", max_tokens: 50, messages: [{ role: "user", content: "hello" }] })
			.withResponse();
		const attempt = lastAttempt();
		expect(data.usage?.completion_tokens).toBe(billedOutput(attempt.attemptId));
		expect(attempt.outcome).toBe("settled");
		expect(response.headers.get("x-tollgate-cost-nano-usd")).toBe(attempt.costNanoUsd.toString());
		expect(response.headers.get("x-tollgate-model")).toBe("gpt-4o");
		expect(response.headers.get("x-tollgate-request-id")).toBe(attempt.input.requestId);
		expect(response.headers.get("x-tollgate-budget-left-nano-usd")).toBeNull();
		expect(attempt.costNanoUsd > 0n && attempt.costNanoUsd <= attempt.reservedNanoUsd).toBe(true);
	});

	test("a stream without include_usage: usage is settled and the caller sees none of it", async () => {
		const stream = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 40, stream: true, messages: [{ role: "user", content: "hello" }] });
		let text = "";
		for await (const chunk of stream) {
			expect("usage" in chunk).toBe(false);
			expect(chunk.choices).toHaveLength(1);
			text += chunk.choices[0]?.delta.content ?? "";
		}
		expect(text.length).toBeGreaterThan(0);
		expect(lastAttempt().outcome).toBe("settled");
		expect(lastAttempt().settledWith?.reported).toMatchObject({ kind: "usable", usage: { outputTokens: billedOutput(lastAttempt().attemptId) } });
	});

	test("a stream with include_usage keeps the usage chunk", async () => {
		const stream = await openai.chat.completions.create({
			model: "gpt-4o",
			max_tokens: 40,
			stream: true,
			stream_options: { include_usage: true },
			messages: [{ role: "user", content: "hello" }],
		});
		const usages = [];
		for await (const chunk of stream) if (chunk.usage) usages.push(chunk.usage);
		expect(usages).toHaveLength(1);
		expect(usages[0]?.completion_tokens).toBe(billedOutput(lastAttempt().attemptId));
	});

	test("responses, streaming and not", async () => {
		const whole = await openai.responses.create({ model: "gpt-4o", max_output_tokens: 40, input: "hello" });
		expect(whole.usage?.output_tokens).toBe(billedOutput(lastAttempt().attemptId));
		const types: string[] = [];
		for await (const event of await openai.responses.create({ model: "gpt-4o", max_output_tokens: 40, input: "hello", stream: true })) types.push(event.type);
		expect(types.at(-1)).toMatch(/^response\.(completed|incomplete)$/);
		expect(authority.attempts.map((attempt) => attempt.outcome)).toEqual(["settled", "settled"]);
	});

	test("embeddings and the model list", async () => {
		const embeddings = await openai.embeddings.create({ model: "text-embedding-3-small", input: "hello" });
		expect(embeddings.data[0]?.embedding.length).toBeGreaterThan(0);
		expect(lastAttempt().outcome).toBe("settled");
		const ids = [];
		for await (const model of openai.models.list()) ids.push(model.id);
		expect(ids).toEqual(["gpt-4o", "gpt-4o-2024-08-06", "text-embedding-3-small", "claude-sonnet-5-5"]);
		expect((await openai.models.retrieve("gpt-4o")).owned_by).toBe("openai");
	});

	test("a tool call passes through", async () => {
		const tools = [{ type: "function" as const, function: { name: "look_up", parameters: { type: "object", properties: { word: { type: "string" } } } } }];
		const answer = await openai.chat.completions.create({
			model: "gpt-4o",
			max_tokens: 60,
			tools,
			messages: [{ role: "user", content: '[[simulate:{"toolCall":true}]] look it up' }],
		});
		expect(answer.choices[0]?.message.tool_calls?.[0]).toMatchObject({ type: "function", function: { name: "look_up" } });
	});

	test("a refusal is a 402 that explains itself and is not retried", async () => {
		authority.moneyNanoUsd = 0n;
		const retrying = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 3 });
		const error = await retrying.chat.completions
			.create({ model: "gpt-4o", max_tokens: 50, messages: [{ role: "user", content: "hello" }] })
			.catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(OpenAI.APIError);
		const refused = error as InstanceType<typeof OpenAI.APIError>;
		expect(refused).toMatchObject({ status: 402, code: "budget.exceeded" });
		expect(refused.error).toEqual({
			message: "The budget of team demo, day is spent.",
			type: "budget_exceeded",
			code: "budget.exceeded",
			param: null,
			budget: "team demo, day",
			limitNanoUsd: "250000000",
			leftNanoUsd: "0",
			resetsAt: "2026-11-24T00:00:00.000Z",
			howToAsk: "Ask an administrator for more.",
		});
		expect(refused.headers?.get("x-should-retry")).toBe("false");
		expect(authority.counters.refused).toBe(1);
		expect(authority.attempts).toHaveLength(0);
	});
});

describe("the anthropic client, unmodified", () => {
	test("messages: the answer and its cost", async () => {
		const { data, response } = await anthropic.messages
			.create({ model: "claude-sonnet-5-5", max_tokens: 50, messages: [{ role: "user", content: "hello" }] })
			.withResponse();
		expect(data.usage.output_tokens).toBe(billedOutput(lastAttempt().attemptId));
		expect(response.headers.get("x-tollgate-cost-nano-usd")).toBe(lastAttempt().costNanoUsd.toString());
	});

	test("a stream: usage split over message_start and message_delta is settled once", async () => {
		const stream = anthropic.messages.stream({ model: "claude-sonnet-5-5", max_tokens: 50, messages: [{ role: "user", content: "hello" }] });
		const message = await stream.finalMessage();
		expect(message.usage.output_tokens).toBe(billedOutput(lastAttempt().attemptId));
		expect(lastAttempt()).toMatchObject({ outcome: "settled", settledWith: { reported: { usage: { outputTokens: message.usage.output_tokens } } } });
	});

	test("count_tokens goes through the same gate and costs nothing", async () => {
		const counted = await anthropic.messages.countTokens({ model: "claude-sonnet-5-5", messages: [{ role: "user", content: "hello" }] });
		expect(counted.input_tokens).toBeGreaterThan(0);
		expect(lastAttempt()).toMatchObject({ outcome: "settled", reservedNanoUsd: 0n, costNanoUsd: 0n });
	});

	test("the model list in its own shape", async () => {
		const page = await anthropic.models.list();
		expect(page.data.map((model) => model.id)).toContain("claude-sonnet-5-5");
		expect((await anthropic.models.retrieve("claude-sonnet-5-5")).type).toBe("model");
	});

	test("a refusal in Anthropic's shape", async () => {
		authority.moneyNanoUsd = 0n;
		const error = await anthropic.messages
			.create({ model: "claude-sonnet-5-5", max_tokens: 50, messages: [{ role: "user", content: "hello" }] })
			.catch((thrown: unknown) => thrown);
		const refused = error as InstanceType<typeof Anthropic.APIError>;
		expect(refused.status).toBe(402);
		expect(refused.error).toMatchObject({
			type: "error",
			error: { type: "budget_exceeded", code: "budget.exceeded", leftNanoUsd: "0" },
			request_id: expect.stringMatching(/^req_/),
		});
		expect(refused.errorCode).toBe("budget.exceeded");
		expect(refused.requestID).toMatch(/^req_/);
	});
});
