import { describe, expect, test } from "vitest";
import { RunHeldError, readRefusal, readRunHold } from "#clients/index.ts";

const refusal = {
	...{
		type: "run_paused",
		code: "run.paused",
		message: "The run r-7 is paused by ceiling.toolCalls: search was called 21 times.",
		run: "r-7",
		guard: "ceiling.toolCalls",
	},
	...{ tool: "search", evidence: "search was called 21 times", measured: "21", threshold: "20", ofRun: "root", pauseId: "pau_0123456789abcdef" },
	...{ askAgainInMs: 900_000, watch: "/v1/runs/r-7/wait?version=4", howToAsk: "npx tollgate run resume root" },
};
const hold = {
	...{ runId: "r-7", version: "4", state: "paused", guard: "ceiling.toolCalls", tool: "search", evidence: "search was called 21 times" },
	...{ measured: "21", threshold: "20", ofRunId: "root", pauseId: "pau_0123456789abcdef", askAgainMs: 900_000 },
	...{ message: refusal.message, howToAsk: "npx tollgate run resume root" },
};
const openAiBody = { error: { param: null, ...refusal } };
const anthropicBody = { type: "error", error: { ...refusal, details: { error_code: "run.paused" } }, request_id: "req_1" };

/** As `@ai-sdk/provider` makes one: the body as text, and parsed by a schema that knows the provider's fields alone. */
const apiCallError = (body: unknown) =>
	Object.assign(new Error("refused"), {
		name: "AI_APICallError",
		statusCode: 402,
		responseBody: JSON.stringify(body),
		data: { error: { message: "refused", type: "run_paused" } },
	});

describe("readRunHold", () => {
	test.each([
		["a body of OpenAI's protocol", openAiBody],
		["a body of Anthropic's", anthropicBody],
		["what OpenAI's client throws, and LangChain hands on", Object.assign(new Error("402"), { status: 402, code: "run.paused", error: openAiBody.error })],
		["what Anthropic's client throws", Object.assign(new Error("402"), { status: 402, error: anthropicBody })],
		["what the AI SDK throws", apiCallError(openAiBody)],
		["what the AI SDK throws after tries", Object.assign(new Error("3 tries"), { name: "AI_RetryError", lastError: apiCallError(openAiBody), errors: [] })],
		["a wrapped error", new Error("the agent failed", { cause: new Error("step 9", { cause: apiCallError(anthropicBody) }) })],
		["one of several errors", new AggregateError([new Error("other"), apiCallError(openAiBody)])],
	])("reads it out of %s", (_name, error) => {
		expect(readRunHold(error)).toEqual(hold);
	});

	test("a stop is told from a pause, and what a release does not say is null", () => {
		expect(readRunHold({ error: { code: "run.stopped", run: "r" } })).toMatchObject({
			state: "stopped",
			runId: "r",
			ofRunId: "r",
			version: null,
			tool: null,
			askAgainMs: null,
		});
	});

	test.each([
		undefined,
		null,
		"run.paused",
		402,
		new Error("run.paused"),
		{ error: { code: "budget.exceeded" } },
		{ error: { code: "run.paused" } },
		{ code: "run.finished", run: "r" },
	])("is undefined for anything else: %s", (error) => {
		expect(readRunHold(error)).toBeUndefined();
	});

	test("comes to an end where errors hold each other", () => {
		const error = new Error("round");
		error.cause = error;
		expect(readRunHold(error)).toBeUndefined();
	});

	test("a hold is no refusal of a budget, nor the other way round", () => {
		expect(readRefusal(openAiBody)).toBeUndefined();
		expect(readRunHold({ error: { type: "budget_exceeded", code: "budget.exceeded", howToAsk: "ask" } })).toBeUndefined();
	});

	test("RunHeldError carries it, under the code of the refusal", () => {
		const found = readRunHold(openAiBody);
		if (found === undefined) throw new Error("no hold");
		const error = new RunHeldError(found);
		expect(error).toMatchObject({ name: "RunHeldError", code: "run.paused", httpStatus: 402, isRetryable: false, message: refusal.message, hold });
		expect(readRunHold(new Error("agent", { cause: error }))).toBe(found);
	});
});
