import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";
import { createScriptedGuard, heldRefusal, refusedEntry, type ScriptedGuard, scriptedSteps } from "#test/support/scripted-guard.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** What agents are told when their run stands still, as the official clients hand it to them. */

let provider: SimulatedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let guard: ScriptedGuard;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
	provider = await startSimulatedProvider({ TOLLGATE_SIMULATOR_KEY: "sk-provider-canary-4f1d9c" });
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	guard = createScriptedGuard();
	gateway = await startTestGateway({ authority, providerUrl: provider.url, steps: scriptedSteps(guard) });
	const defaultHeaders = { "x-tollgate-run": "r-7" };
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 3, defaultHeaders });
	anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: gateway.url, maxRetries: 3, defaultHeaders });
	return () => gateway.close();
});

const CHAT = { model: "gpt-4o", max_tokens: 50, messages: [{ role: "user" as const, content: "hello" }] };
const MESSAGE = { model: "claude-sonnet-5-5", max_tokens: 50, messages: [{ role: "user" as const, content: "hello" }] };

async function chatError(changes: { readonly stream?: true } = {}): Promise<InstanceType<typeof OpenAI.APIError>> {
	const error = await openai.chat.completions.create({ ...CHAT, ...changes }).catch((thrown: unknown) => thrown);
	return error instanceof OpenAI.APIError ? error : expect.fail(String(error));
}

async function messageError(): Promise<InstanceType<typeof Anthropic.APIError>> {
	const error = await anthropic.messages.create(MESSAGE).catch((thrown: unknown) => thrown);
	return error instanceof Anthropic.APIError ? error : expect.fail(String(error));
}

const FIELDS = {
	...{ budget: null, limitNanoUsd: null, leftNanoUsd: null, resetsAt: null, howToAsk: "npx tollgate run resume r-7" },
	run: "r-7",
	guard: "loop.repetition",
	evidence: 'the call `search({"q":"x"})` and its result repeated 9 times in 9 steps',
	measured: "9",
	threshold: "9",
	ofRun: "r-7",
	pauseId: "pau_0123456789abcdef",
	askAgainInMs: 900_000,
	watch: "/v1/runs/r-7/wait?version=3",
};

function hold(changes: Parameters<typeof heldRefusal>[0] = {}): () => { kind: "refused"; refusal: ReturnType<typeof heldRefusal> } {
	return () => ({ kind: "refused", refusal: heldRefusal(changes) });
}

/** Counts the calls that arrive. */
function counting(receive: ScriptedGuard["receive"]): { readonly count: () => number } {
	let count = 0;
	guard.receive = (call) => {
		count += 1;
		return receive(call);
	};
	return { count: () => count };
}

describe("a run that is paused", () => {
	test("OpenAI's client: a 402 with all its fields that is sent once, and nothing was spent", async () => {
		const arrived = counting(hold());
		const error = await chatError();
		expect(error).toMatchObject({ status: 402, code: "run.paused", type: "run_paused" });
		const { message, ...fields } = error.error as Record<string, unknown>;
		expect(fields).toEqual({ type: "run_paused", code: "run.paused", param: null, ...FIELDS });
		expect(message).toContain("repeated 9 times");
		expect(error.headers?.get("x-should-retry")).toBe("false");
		expect(error.headers?.get("x-tollgate-run")).toBe("r-7");
		expect(error.headers?.get("retry-after")).toBeNull();
		expect(arrived.count()).toBe(1);
		expect([authority.attempts, authority.counters.refused]).toEqual([[], 0]);
	});

	test("a stream is refused the same way, before it begins", async () => {
		guard.receive = hold();
		expect(await chatError({ stream: true })).toMatchObject({ status: 402, code: "run.paused" });
	});

	test("Anthropic's client", async () => {
		const arrived = counting(hold());
		const error = await messageError();
		expect(error).toMatchObject({ status: 402, errorCode: "run.paused" });
		expect(error.error).toMatchObject({
			type: "error",
			error: { type: "run_paused", code: "run.paused", ...FIELDS },
			request_id: expect.stringMatching(/^req_/),
		});
		expect(arrived.count()).toBe(1);
	});

	test("names the tool of a ceiling, the run whose ceiling it is, and says where nobody knows when to ask again", async () => {
		guard.receive = hold({ guard: "ceiling.toolCalls", tool: "search", ofRunId: "root", pauseId: null, askAgainMs: null });
		expect((await chatError()).error).toMatchObject({ guard: "ceiling.toolCalls", tool: "search", ofRun: "root", pauseId: null, askAgainInMs: null });
	});
});

test("a run that is stopped: the same with its own code and type", async () => {
	guard.receive = hold({ state: "stopped", guard: "person" });
	expect(await chatError()).toMatchObject({ status: 402, code: "run.stopped", type: "run_stopped", error: { guard: "person" } });
	expect(await messageError()).toMatchObject({ status: 402, errorCode: "run.stopped", error: { error: { type: "run_stopped" } } });
});

describe("a run that is not to be had", () => {
	test("another team's: 403 that names the header", async () => {
		guard.receive = () => refusedEntry({ code: "run.other_team", field: "x-tollgate-run" });
		const error = await chatError();
		expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
		expect(error).toMatchObject({ code: "run.other_team", param: "x-tollgate-run" });
		const anthropicError = await messageError();
		expect(anthropicError).toBeInstanceOf(Anthropic.PermissionDeniedError);
		expect(anthropicError).toMatchObject({ errorCode: "run.other_team", error: { error: { param: "x-tollgate-run" } } });
	});

	test("an unknown parent: 422", async () => {
		guard.receive = () => refusedEntry({ code: "run.unknown_parent", field: "x-tollgate-parent-run" });
		const error = await chatError();
		expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError);
		expect(error).toMatchObject({ code: "run.unknown_parent", param: "x-tollgate-parent-run" });
	});

	test("every mistake that the store found", async () => {
		const problems = [
			{ field: "x-tollgate-run", problem: "is taken" },
			{ field: "x-tollgate-parent-run", problem: "has ended" },
		];
		guard.receive = () => refusedEntry({ code: "run.invalid", field: "x-tollgate-run", problems });
		expect((await chatError()).error).toMatchObject({ code: "run.invalid", problems });
	});

	test("too many new ones: 429 that says when there is room, and may be asked again", async () => {
		openai.maxRetries = 0;
		guard.receive = () => refusedEntry({ code: "run.too_many", field: "x-tollgate-run", retryAfterSeconds: 1_234 });
		const error = await chatError();
		expect(error).toBeInstanceOf(OpenAI.RateLimitError);
		expect(error.code).toBe("run.too_many");
		expect([error.headers?.get("retry-after"), error.headers?.get("x-should-retry")]).toEqual(["1234", "true"]);
	});

	test("PostgreSQL away: 503, nothing sent", async () => {
		openai.maxRetries = 0;
		guard.receive = async () => refusedEntry({ code: "authority.unreachable", retryAfterSeconds: 2 });
		expect(await chatError()).toMatchObject({ status: 503, code: "authority.unreachable" });
		expect(authority.attempts).toEqual([]);
	});
});

test.each([
	["tokens", { limitTokens: "100", leftTokens: "3" }],
	["input_tokens", { limitInputTokens: "100", leftInputTokens: "3" }],
	["output_tokens", { limitOutputTokens: "100", leftOutputTokens: "3" }],
	["steps", { limitSteps: "100", leftSteps: "3" }],
])("a ceiling of %s says its numbers in that unit", async (unit, fields) => {
	authority.refusal = { unit, limitAmount: 100n, leftAmount: 3n } as FakeAuthority["refusal"];
	authority.moneyNanoUsd = 0n;
	expect((await chatError()).error).toMatchObject({ code: "budget.exceeded", limitNanoUsd: null, leftNanoUsd: null, ...fields });
});

test("are counted by code and by guard, with no id in a label", async () => {
	guard.receive = hold();
	await rawCall(gateway.url, { headers: [...JSON_HEADERS, "x-tollgate-run", "r-7"], body: chatBody({}) });
	guard.receive = hold({ guard: "ceiling.steps" });
	for (let call = 0; call < 2; call += 1) await rawCall(gateway.url, { headers: [...JSON_HEADERS, "x-tollgate-run", "r-7"], body: chatBody({}) });
	const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
	for (const line of [
		'tollgate_refusals_total{code="run.paused"} 3',
		'tollgate_run_refusals_total{guard="loop.repetition"} 1',
		'tollgate_run_refusals_total{guard="ceiling.steps"} 2',
		'tollgate_runs{state="live"} 3',
		'tollgate_runs{state="resting"} 2',
		"tollgate_runs_held 1",
		"tollgate_run_watchers 0",
	])
		expect(metrics).toContain(line);
	expect(metrics).not.toContain("r-7");
});

test("a drain lets go of whoever waits for a run", async () => {
	const draining = gateway.gateway.drain(1_000);
	expect(guard.isDraining).toBe(true);
	await draining;
});
