import { request as httpRequest } from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import fc from "fast-check";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { compileLimits } from "#domain/limits/rate-rules.ts";
import type { CallCap, RateRule } from "#domain/limits/team-limits.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { simulatedProviderTable, startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, messagesBody, rawCall } from "#test/support/raw-call.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { until } from "#test/support/until.ts";

let provider: SimulatedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;

beforeAll(async () => {
	provider = await startSimulatedProvider();
});
afterAll(() => provider.close());

beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	gateway = await startTestGateway({ authority, providerUrl: provider.url });
	return () => gateway.close();
});

function limit({ caps = [], rates = [] }: { caps?: readonly CallCap[]; rates?: readonly RateRule[] }): void {
	authority.policy = { ...DEFAULT_TEAM_POLICY, limits: compileLimits("demo", { caps, rates }, []) };
}

const ANTHROPIC = ["x-api-key", TEST_KEY, "content-type", "application/json", "anthropic-version", "2023-06-01"];
const WITHOUT_CAP = { max_tokens: undefined };
const chat = (body = chatBody({})) => rawCall(gateway.url, { body });
const inFlight = () => authority.rates.inFlight;

describe("a rate that is reached", () => {
	beforeEach(() => limit({ rates: [{ dimension: "team", dimensionValue: "", requestsPerMinute: 1 }] }));

	test("is a 429 in OpenAI's shape that says when to try again, and is told from a provider's", async () => {
		expect((await chat()).status).toBe(200);
		const refused = await chat();
		expect(refused.status).toBe(429);
		expect(Number(refused.headers["retry-after"])).toBeGreaterThanOrEqual(1);
		expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(60);
		expect(refused.headers["x-should-retry"]).toBe("true");
		expect(refused.headers["x-tollgate-limit"]).toBe("requests; dimension=team; limit=1");
		expect(JSON.parse(refused.body.toString())).toEqual({
			error: {
				param: null,
				type: "rate_limit_error",
				code: "limit.requests",
				message: expect.stringContaining("The limit of 1 requests per minute for team demo is reached."),
			},
		});
		expect(authority.attempts).toHaveLength(1);
		expect(authority.limitRefusals).toEqual([
			{
				requestId: refused.headers["x-tollgate-request-id"],
				key: authority.keys.get(TEST_KEY),
				code: "limit.requests",
				evidence: expect.objectContaining({ limit: "requests; dimension=team; limit=1", limitAmount: 1n, stoodAt: 1n, need: 1n }),
			},
		]);
		const ofProvider = await rawCall(provider.url, { body: chatBody({ status: 429 }) });
		expect(ofProvider.headers["x-tollgate-limit"]).toBeUndefined();
	});

	test("is a 429 in Anthropic's shape", async () => {
		const call = () => rawCall(gateway.url, { path: "/v1/messages", headers: ANTHROPIC, body: messagesBody({}) });
		expect((await call()).status).toBe(200);
		const refused = await call();
		expect(refused.status).toBe(429);
		expect(JSON.parse(refused.body.toString())).toMatchObject({
			type: "error",
			error: { type: "rate_limit_error", code: "limit.requests" },
			request_id: expect.stringMatching(/^req_/),
		});
	});

	test("counts under its code", async () => {
		await chat();
		await chat();
		const metrics = await rawCall(gateway.url, { method: "GET", path: "/metrics" });
		expect(metrics.body.toString()).toContain('tollgate_refusals_total{code="limit.requests"} 1');
	});

	test("a call that money refuses gives its rate back", async () => {
		authority.moneyNanoUsd = 0n;
		expect((await chat()).status).toBe(402);
		authority.moneyNanoUsd = undefined;
		expect((await chat()).status).toBe(200);
		expect(authority.limitRefusals).toEqual([]);
	});

	test("tries at a second deployment are the same call, and one that reached none was not made", async () => {
		const table = simulatedProviderTable(provider.url);
		const [openai] = table.providers.filter(({ protocol }) => protocol === "openai");
		if (openai === undefined) throw new Error("no provider");
		const dead = { ...openai, name: "dead", baseUrl: "http://127.0.0.1:9/v1" };
		const target = (of: string) => ({ provider: of, model: "gpt-4o", pricedAsModel: "gpt-4o" });
		const aliases = { "gpt-4o": [target("dead"), target(openai.name)], gone: [target("dead")] };
		const two = await startTestGateway({ authority, providerUrl: provider.url, table: { providers: [dead, ...table.providers], aliases } });
		expect((await rawCall(two.url, { body: chatBody({}, { model: "gone" }) })).status).toBe(502);
		expect((await rawCall(two.url, { body: chatBody({}) })).status).toBe(200);
		expect((await rawCall(two.url, { body: chatBody({}) })).status).toBe(429);
		expect(authority.attempts.map(({ outcome }) => outcome)).toEqual(["released", "released", "settled"]);
		await two.close();
	});

	test("a call that the provider fails is one that was made", async () => {
		expect((await chat(chatBody({ status: 503 }))).status).toBe(503);
		expect((await chat()).status).toBe(429);
	});
});

describe("the official clients, unmodified", () => {
	/** Holds one call in flight, and lets it go when the client has seen its first refusal. */
	async function oneInFlight(): Promise<{ readonly statuses: number[]; readonly fetch: typeof globalThis.fetch; readonly held: Promise<unknown> }> {
		limit({ rates: [{ dimension: "key", dimensionValue: "*", inFlight: 1 }] });
		const gate = Promise.withResolvers<void>();
		authority.gate = gate.promise;
		const held = chat();
		await until("the first call to be in flight", () => inFlight() === 1);
		authority.gate = undefined;
		const statuses: number[] = [];
		const fetch: typeof globalThis.fetch = async (input, init) => {
			const answer = await globalThis.fetch(input, init);
			statuses.push(answer.status);
			if (answer.status === 429) gate.resolve();
			return answer;
		};
		return { statuses, fetch, held };
	}

	test("openai tries again when the 429 says so, and is served", async () => {
		const { statuses, fetch, held } = await oneInFlight();
		const openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 2, fetch });
		const answer = await openai.chat.completions.create({ model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
		expect(answer.choices).toHaveLength(1);
		expect(statuses).toEqual([429, 200]);
		await held;
	});

	test("anthropic tries again when the 429 says so, and is served", async () => {
		const { statuses, fetch, held } = await oneInFlight();
		const anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: gateway.url, maxRetries: 2, fetch });
		const answer = await anthropic.messages.create({ model: "claude-sonnet-5-5", max_tokens: 20, messages: [{ role: "user", content: "hello" }] });
		expect(answer.content).toHaveLength(1);
		expect(statuses).toEqual([429, 200]);
		await held;
	});

	test("a client that does not try again gets its own error for a 429", async () => {
		const { fetch, held } = await oneInFlight();
		const openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0, fetch });
		const error = await openai.chat.completions
			.create({ model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hello" }] })
			.catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(OpenAI.RateLimitError);
		expect(error).toMatchObject({ status: 429, code: "limit.in_flight", type: "rate_limit_error" });
		await held;
	});
});

describe("caps per call", () => {
	test("an output cap is written into the field the deployment enforces, and the answer is no longer", async () => {
		limit({ caps: [{ feature: null, outputTokens: 500 }] });
		const answer = await chat(chatBody({ outputTokens: 900 }, WITHOUT_CAP));
		expect(answer.status).toBe(200);
		const [attempt] = authority.attempts;
		expect(attempt?.clampedOutputTokens).toBe(500);
		expect(attempt?.input.bound.outputTokens).toBe(500);
		expect(JSON.parse(answer.body.toString()).usage.completion_tokens).toBe(500);
		const messages = messagesBody({ outputTokens: 900 }, { max_tokens: 400 });
		expect((await rawCall(gateway.url, { path: "/v1/messages", headers: ANTHROPIC, body: messages })).status).toBe(200);
		expect(authority.attempts[1]?.clampedOutputTokens).toBeUndefined();
	});

	test("a caller's own lower cap stays, a larger one is refused", async () => {
		limit({ caps: [{ feature: null, outputTokens: 500 }] });
		expect((await chat(chatBody({}, { max_tokens: 40 }))).status).toBe(200);
		expect(authority.attempts[0]?.clampedOutputTokens).toBeUndefined();
		const refused = await chat(chatBody({}, { max_tokens: 501 }));
		expect(refused.status).toBe(422);
		expect(refused.headers["x-should-retry"]).toBe("false");
		expect(JSON.parse(refused.body.toString()).error).toMatchObject({
			code: "limit.cap",
			message: expect.stringContaining("The cap of 500 output tokens for every call of the team would be passed: this call can take 501."),
		});
		expect(refused.headers["x-tollgate-limit"]).toBe("output_tokens; dimension=team; limit=500; cap");
		expect(authority.limitRefusals).toMatchObject([{ code: "limit.cap", evidence: { limitAmount: 500n, need: 501n, stoodAt: null } }]);
	});

	test("a refusal tells both official clients its code, where they look for one", async () => {
		limit({ caps: [{ feature: null, outputTokens: 500 }] });
		const messages = [{ role: "user" as const, content: "hello" }];
		const [anthropic, openai] = await Promise.all([
			new Anthropic({ apiKey: TEST_KEY, baseURL: gateway.url, maxRetries: 0 }).messages
				.create({ model: "claude-sonnet-5-5", max_tokens: 501, messages })
				.catch((thrown: unknown) => thrown),
			new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0 }).chat.completions
				.create({ model: "gpt-4o", max_tokens: 501, messages })
				.catch((thrown: unknown) => thrown),
		]);
		expect(anthropic).toBeInstanceOf(Anthropic.UnprocessableEntityError);
		expect(anthropic).toMatchObject({ status: 422, type: "invalid_request_error", errorCode: "limit.cap", error: { error: { code: "limit.cap" } } });
		expect(openai).toBeInstanceOf(OpenAI.UnprocessableEntityError);
		expect(openai).toMatchObject({ status: 422, type: "invalid_request_error", code: "limit.cap" });
	});

	test("policy may let the cap go below the caller's own, as with money", async () => {
		limit({ caps: [{ feature: null, outputTokens: 500 }] });
		authority.policy = { ...authority.policy, mayLowerCallerCap: true };
		expect((await chat(chatBody({}, { max_tokens: 900 }))).status).toBe(200);
		expect(authority.attempts[0]?.clampedOutputTokens).toBe(500);
	});

	test("money may lower it further", async () => {
		limit({ caps: [{ feature: null, outputTokens: 500 }] });
		authority.moneyNanoUsd = 4_000_000n;
		expect((await chat(chatBody({}, WITHOUT_CAP))).status).toBe(200);
		expect(authority.attempts[0]?.clampedOutputTokens).toBeLessThan(500);
		expect(authority.attempts[0]?.clampedOutputTokens).toBeGreaterThanOrEqual(256);
	});

	test("caps of a feature hold for its keys and for nobody else", async () => {
		limit({ caps: [{ feature: "search", inputTokens: 10 }] });
		expect((await chat()).status).toBe(200);
		authority.keys.set(TEST_KEY, keyIdentity({ feature: "search" }));
		const refused = await chat();
		expect(JSON.parse(refused.body.toString()).error).toMatchObject({
			code: "limit.cap",
			message: expect.stringContaining("10 input tokens for feature search"),
		});
	});

	test("a call larger than its minute of tokens is lowered to it, and one that cannot be is refused for good", async () => {
		limit({ rates: [{ dimension: "team", dimensionValue: "", tokensPerMinute: 2_000 }] });
		expect((await chat(chatBody({}, WITHOUT_CAP))).status).toBe(200);
		expect(authority.attempts[0]?.input.bound.tokens).toBeLessThanOrEqual(2_000);
		expect((await chat(chatBody({}, { max_tokens: 3_000 }))).status).toBe(422);
	});
});

describe("whatever way calls end", () => {
	const ends = fc.array(
		fc.record({
			directive: fc.constantFrom<Record<string, unknown>>(
				{},
				{ status: 400 },
				{ status: 429 },
				{ status: 500 },
				{ status: 504 },
				{ fault: "cut_before_headers" },
				{ fault: "cut_mid_stream" },
				{ fault: "missing_usage" },
				{ fault: "hang" },
				{ fault: "error_event_mid_stream" },
			),
			isStream: fc.boolean(),
			leavesAfterMs: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
			isPoor: fc.boolean(),
		}),
		{ minLength: 20, maxLength: 40 },
	);

	/** A caller who may leave before his answer is whole. */
	function callAndLeave(body: string, leavesAfterMs: number | undefined): Promise<void> {
		return new Promise((resolve) => {
			const headers = [...JSON_HEADERS, "host", "x", "content-length", String(Buffer.byteLength(body))] as unknown as Record<string, string>;
			const outgoing = httpRequest(`${gateway.url}/v1/chat/completions`, { method: "POST", headers, agent: false }, (response) => {
				response.resume();
				response.once("close", resolve);
			});
			outgoing.once("error", () => resolve());
			outgoing.end(body);
			if (leavesAfterMs !== undefined) setTimeout(() => outgoing.destroy(), leavesAfterMs);
		});
	}

	test("none is left in flight, and every place can be taken again", async () => {
		await fc.assert(
			fc.asyncProperty(ends, async (calls) => {
				limit({ rates: [{ dimension: "team", dimensionValue: "", inFlight: 8, tokensPerMinute: 1_000_000 }] });
				authority.policy = { ...authority.policy, maxCallMs: 60 };
				await Promise.all(
					calls.map(({ directive, isStream, leavesAfterMs, isPoor }) => {
						authority.moneyNanoUsd = isPoor ? 1n : undefined;
						return callAndLeave(chatBody(directive, isStream ? { stream: true } : {}), leavesAfterMs);
					}),
				);
				authority.moneyNanoUsd = undefined;
				await until("all calls to have ended", () => authority.counters.openReservations === 0 && inFlight() === 0);
				authority.policy = { ...authority.policy, maxCallMs: DEFAULT_TEAM_POLICY.maxCallMs };
				const gate = Promise.withResolvers<void>();
				authority.gate = gate.promise;
				// Whoever left may still arrive: his call takes a place too, on a busy machine each of the eight, and ends.
				const held = Array.from({ length: 12 }, () => chat());
				await until("eight calls in flight", () => inFlight() === 8);
				expect((await chat()).status).toBe(429);
				authority.gate = undefined;
				gate.resolve();
				const served = (await Promise.all(held)).filter(({ status }) => status === 200).length;
				expect(served).toBeLessThanOrEqual(8);
				await until("a call to be served", async () => (await chat()).status === 200);
				await until("every place to be free", () => authority.counters.openReservations === 0 && inFlight() === 0);
			}),
			{ numRuns: 4 },
		);
	});

	test("an ending that cannot be journaled leaves nothing in flight either", async () => {
		limit({ rates: [{ dimension: "team", dimensionValue: "", inFlight: 1 }] });
		authority.endingError = new Error("the disk is full");
		await chat();
		await until("the call to have ended", () => inFlight() === 0);
		authority.endingError = undefined;
		expect((await chat()).status).toBe(200);
	});
});
