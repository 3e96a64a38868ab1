import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { StepAnswer } from "#activities/runs/guard-port.ts";
import { servedAsAsked } from "#domain/budget/degrade.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import { createFakeAuthority, type FakeAuthority } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { JSON_HEADERS, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { createScriptedGuard, heldRefusal, type ScriptedGuard, scriptedSteps, stepOf } from "#test/support/scripted-guard.ts";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** What the guard of a run is told of each step, and the books of its answer: tool calls, bytes and usage, over both protocols and streams. */

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let guard: ScriptedGuard;
let respond: (call: ReceivedCall) => void;

beforeAll(async () => {
	provider = await startScriptedProvider((call) => respond(call));
});
afterAll(() => provider.close());
beforeEach(async () => {
	provider.received.length = 0;
	const { lines } = testPriceBook();
	const [first] = lines;
	authority = createFakeAuthority(makePriceBook(8, [...lines, { ...(first ?? expect.fail("a line")), model: "gpt-4o-mini", aliases: [] }]));
	guard = createScriptedGuard();
	gateway = await startTestGateway({ authority, providerUrl: provider.url, steps: scriptedSteps(guard) });
	return () => gateway.close();
});

type Sent = { readonly contentType: string; readonly body: string };

function answering({ contentType, body }: Sent, status = 200): void {
	respond = ({ response }) => void response.writeHead(status, { "content-type": contentType }).end(body);
}

const json = (body: object): Sent => ({ contentType: "application/json", body: JSON.stringify(body) });
const events = (...data: readonly (object | string)[]): Sent => ({
	contentType: "text/event-stream",
	body: data
		.map((item) => {
			if (typeof item === "string") return `data: ${item}\n\n`;
			const type = "type" in item ? `event: ${String(item.type)}\n` : "";
			return `${type}data: ${JSON.stringify(item)}\n\n`;
		})
		.join(""),
});

const ARGS = '{"q":"tolls"}';
const CHAT_USAGE = { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 };
const RESPONSE_USAGE = { input_tokens: 30, output_tokens: 12, total_tokens: 42 };
const chatCall = (id: string, name: string) => ({ id, type: "function", function: { name, arguments: ARGS } });

const WHOLE_CHAT = json({
	model: "gpt-4o",
	choices: [{ message: { role: "assistant", tool_calls: [chatCall("c1", "search"), chatCall("c2", "search"), chatCall("c3", "read")] } }],
	usage: CHAT_USAGE,
});
const chunk = (delta: object) => ({ model: "gpt-4o", choices: [{ index: 0, delta }], usage: null });
const STREAMED_CHAT = events(
	chunk({ role: "assistant", content: "Let me look." }),
	chunk({ tool_calls: [{ index: 0, id: "c1", function: { name: "search", arguments: "" } }] }),
	chunk({ tool_calls: [{ index: 0, function: { arguments: ARGS } }] }),
	chunk({ tool_calls: [{ index: 1, id: "c2", function: { name: "search", arguments: ARGS } }] }),
	chunk({ tool_calls: [{ index: 2, id: "c3", function: { name: "read", arguments: ARGS } }] }),
	{ model: "gpt-4o", choices: [], usage: CHAT_USAGE },
	"[DONE]",
);

const RESPONSE = {
	id: "resp_0123456789abcdef",
	model: "gpt-4o",
	output: [
		{ type: "message", content: [] },
		{ type: "function_call", call_id: "c1", name: "search", arguments: ARGS },
		{ type: "function_call", call_id: "c2", name: "search", arguments: ARGS },
		{ type: "function_call", call_id: "c3", name: "read", arguments: ARGS },
	],
	usage: RESPONSE_USAGE,
};

const toolUse = (id: string, name: string) => ({ type: "tool_use", id, name, input: JSON.parse(ARGS) as object });
const WHOLE_MESSAGE = json({
	model: "claude-sonnet-5-5",
	content: [{ type: "text", text: "Let me look." }, toolUse("c1", "search"), toolUse("c2", "search"), toolUse("c3", "read")],
	usage: { input_tokens: 30, output_tokens: 12 },
});
const block = (index: number, id: string, name: string) => [
	{ type: "content_block_start", index, content_block: { type: "tool_use", id, name, input: {} } },
	{ type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json: ARGS } },
	{ type: "content_block_stop", index },
];
const STREAMED_MESSAGE = events(
	{ type: "message_start", message: { model: "claude-sonnet-5-5", usage: { input_tokens: 30, output_tokens: 1 } } },
	...block(0, "c1", "search"),
	...block(1, "c2", "search"),
	...block(2, "c3", "read"),
	{ type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 12 } },
	{ type: "message_stop" },
);

type Call = { readonly path: string; readonly body: Readonly<Record<string, unknown>> };
const CHAT: Call = { path: "/v1/chat/completions", body: { model: "gpt-4o", max_tokens: 40, messages: [{ role: "user", content: "hello" }] } };
const RESPOND: Call = { path: "/v1/responses", body: { model: "gpt-4o", max_output_tokens: 40, input: "hello" } };
const MESSAGE: Call = { path: "/v1/messages", body: { model: "claude-sonnet-5-5", max_tokens: 40, messages: [{ role: "user", content: "hello" }] } };
const streamed = (call: Call): Call => ({ ...call, body: { ...call.body, stream: true } });
const RUN = ["x-tollgate-run", "r-7", "anthropic-version", "2023-06-01"];

function step({ path, body }: Call = CHAT, headers: readonly string[] = RUN): Promise<RawAnswer> {
	return rawCall(gateway.url, { path, headers: [...JSON_HEADERS, ...headers], body: JSON.stringify(body) });
}

function onlyEnd(): StepAnswer | "left" {
	const [entered] = guard.entered;
	expect([guard.entered.length, entered?.ends.length]).toEqual([1, 1]);
	return entered?.ends[0] ?? expect.fail("the step did not end");
}

function onlyAnswer(): StepAnswer {
	const end = onlyEnd();
	return end === "left" ? expect.fail("the step left") : end;
}

/** What the books are told of the first attempt: an undefined field is none there. */
function saidOfFirst(): readonly string[] {
	const settled = authority.attempts[0]?.settledWith ?? expect.fail("nothing was settled");
	return Object.entries(settled)
		.flatMap(([name, value]) => (value === undefined ? [] : [name]))
		.sort();
}

const CALLS = [
	{ callId: "c1", tool: "search", argsText: ARGS },
	{ callId: "c2", tool: "search", argsText: ARGS },
	{ callId: "c3", tool: "read", argsText: ARGS },
];

describe("tool calls, bytes and usage of an answer", () => {
	test.each<[string, Call, Sent, string | undefined]>([
		["chat", CHAT, WHOLE_CHAT, undefined],
		["a stream of chat", streamed(CHAT), STREAMED_CHAT, undefined],
		["responses", RESPOND, json(RESPONSE), RESPONSE.id],
		["a stream of responses", streamed(RESPOND), events({ type: "response.created" }, { type: "response.completed", response: RESPONSE }), RESPONSE.id],
		["messages", MESSAGE, WHOLE_MESSAGE, undefined],
		["a stream of messages", streamed(MESSAGE), STREAMED_MESSAGE, undefined],
	])("%s: told to the guard once, and in the books", async (_name, call, sent, answerId) => {
		answering(sent);
		expect((await step(call)).status).toBe(200);
		const answer = onlyAnswer();
		const outputBytes = Buffer.byteLength(sent.body);
		expect(answer.calls).toEqual(CALLS);
		expect(answer).toMatchObject({ outputBytes, booked: { outcome: "settled" }, usage: { inputTokens: 30, outputTokens: 12 } });
		expect(answer.answerId).toBe(answerId);
		const [attempt] = authority.attempts;
		expect(answer.booked.costNanoUsd).toBe(attempt?.costNanoUsd);
		expect(attempt?.settledWith).toMatchObject({ toolCalls: { search: 2, read: 1 }, outputBytes });
	});

	test("of a request that is written the guard is told once, and of one that is not never", async () => {
		answering(WHOLE_CHAT);
		await step();
		authority.moneyNanoUsd = 0n;
		await step();
		expect(guard.entered.map(({ sent }) => sent)).toEqual([1, 0]);
	});

	test("an answer that calls no tool has none in the books", async () => {
		answering(json({ model: "gpt-4o", choices: [{ message: { content: "hello" } }], usage: CHAT_USAGE }));
		await step();
		expect(onlyAnswer().calls).toEqual([]);
		expect(saidOfFirst()).not.toContain("toolCalls");
	});

	test("names of tools that no store takes are cleaned in the books", async () => {
		const tool_calls = [chatCall("c1", "a\u0000b"), chatCall("c2", "__proto__"), chatCall("c3", "x".repeat(300))];
		answering(json({ model: "gpt-4o", choices: [{ message: { tool_calls } }], usage: CHAT_USAGE }));
		await step();
		expect(Object.entries(authority.attempts[0]?.settledWith?.toolCalls ?? {})).toEqual([
			["a\uFFFDb", 1],
			["__proto__", 1],
			["x".repeat(128), 1],
		]);
	});

	test("a call without a run has nothing of it", async () => {
		answering(WHOLE_CHAT);
		await step(CHAT, []);
		expect(guard.entered).toEqual([]);
		expect(saidOfFirst()).toEqual(["durationMs", "httpStatus", "providerRequestId", "reported", "taskKind"]);
	});
});

describe("a step that cost nothing has left", () => {
	test.each([400, 429, 500, 529])("the provider answered %i", async (status) => {
		answering(json({ error: { message: "no" } }), status);
		expect((await step()).status).toBe(status);
		expect(onlyEnd()).toBe("left");
	});

	test("no connection to the provider", async () => {
		await gateway.close();
		gateway = await startTestGateway({ authority, providerUrl: "http://127.0.0.1:9", steps: scriptedSteps(guard) });
		expect((await step()).status).toBe(502);
		expect(onlyEnd()).toBe("left");
		expect(guard.entered[0]?.sent).toBe(0);
	});

	test("a limit, a reference of somebody else's, a budget of the team", async () => {
		answering(WHOLE_CHAT);
		authority.policy = { ...DEFAULT_TEAM_POLICY };
		expect((await step({ ...RESPOND, body: { ...RESPOND.body, previous_response_id: "resp_ffffffffffffffff" } })).status).toBe(422);
		authority.moneyNanoUsd = 0n;
		expect((await step()).status).toBe(402);
		expect(guard.entered.map(({ ends }) => ends)).toEqual([["left"], ["left"]]);
		expect(provider.received).toEqual([]);
	});

	test("the call that serves it is refused: what degrades it cannot be used here", async () => {
		guard.serving = { ...servedAsAsked("gpt-4o"), served: "nowhere" };
		const answer = await step();
		expect(answer.body.toString()).toContain("The run has reached a ceiling beyond which gpt-4o is served by nowhere, which cannot be used here.");
		expect(onlyEnd()).toBe("left");
	});
});

describe("a step that may have run counts as spent", () => {
	test.each<[string, Call, (call: ReceivedCall) => void]>([
		["the connection broke before an answer", CHAT, ({ response }) => void response.destroy()],
		[
			"it broke within a stream",
			streamed(CHAT),
			({ response }) => {
				response.writeHead(200, { "content-type": "text/event-stream" });
				response.write(STREAMED_CHAT.body.slice(0, STREAMED_CHAT.body.indexOf('{"model":"gpt-4o","choices":[],')), () => response.destroy());
			},
		],
		["the stream ended with an error", streamed(MESSAGE), ({ response }) => sendEvents(response, STREAMED_MESSAGE.body.replaceAll("message_stop", "error"))],
		["a status that may be billed", CHAT, ({ response }) => void response.writeHead(504).end("{}")],
		["usage that cannot be used", CHAT, ({ response }) => void response.writeHead(200, { "content-type": "application/json" }).end("{}")],
	])("%s", async (_name, call, script) => {
		respond = script;
		await step(call);
		const [attempt] = authority.attempts;
		expect(onlyAnswer()).toMatchObject({ booked: { outcome: "unresolved", costNanoUsd: attempt?.reservedNanoUsd }, usage: undefined });
	});

	test("tool calls that had arrived are counted", async () => {
		respond = ({ response }) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(STREAMED_CHAT.body.slice(0, STREAMED_CHAT.body.indexOf('{"model":"gpt-4o","choices":[],')), () => response.destroy());
		};
		await step(streamed(CHAT));
		expect(onlyAnswer().calls.map(({ tool }) => tool)).toEqual(["search", "search", "read"]);
	});

	test("an ending that cannot be journaled", async () => {
		authority.endingError = new Error("the disk is full");
		answering(WHOLE_CHAT);
		expect((await step()).status).toBe(500);
		expect(onlyAnswer().booked).toEqual({ outcome: "unresolved", costNanoUsd: authority.attempts[0]?.reservedNanoUsd });
	});
});

function sendEvents(response: ReceivedCall["response"], body: string): void {
	response.writeHead(200, { "content-type": "text/event-stream" }).end(body);
}

describe("a budget refuses", () => {
	test("one of the run's: it is held, and the caller is told so", async () => {
		authority.moneyNanoUsd = 0n;
		authority.refusal = { budgetId: "41" };
		guard.refusedBy = ({ budgetId }) => (budgetId === "41" ? Promise.resolve(heldRefusal({ guard: "ceiling.costNanoUsd" })) : undefined);
		const answer = await step();
		expect(answer.status).toBe(402);
		expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: "run.paused", guard: "ceiling.costNanoUsd" } });
		expect(guard.entered[0]?.refusals).toMatchObject([{ code: "budget.exceeded", budgetId: "41" }]);
		expect(onlyEnd()).toBe("left");
	});

	test("another one: the refusal stays what it was", async () => {
		authority.moneyNanoUsd = 0n;
		authority.refusal = { budgetId: "42" };
		expect(JSON.parse((await step()).body.toString())).toMatchObject({ error: { code: "budget.exceeded" } });
		expect(guard.entered[0]?.refusals).toHaveLength(1);
	});
});

describe("a run that is held while its call waits", () => {
	test("is not sent, though budget came: what was reserved is given back", async () => {
		answering(WHOLE_CHAT);
		const { promise, resolve } = Promise.withResolvers<void>();
		authority.gate = promise;
		guard.receive = (call) => {
			setImmediate(() => {
				guard.held = heldRefusal();
				resolve();
			});
			return stepOf(guard, call);
		};
		const answer = await step();
		expect(JSON.parse(answer.body.toString())).toMatchObject({ error: { code: "run.paused", pauseId: "pau_0123456789abcdef" } });
		expect(authority.attempts).toMatchObject([{ outcome: "released", reason: "run_held" }]);
		expect(onlyEnd()).toBe("left");
		expect(provider.received).toEqual([]);
	});
});

test("a soft ceiling serves it by another alias, and says so", async () => {
	guard.serving = { ...servedAsAsked("gpt-4o"), served: "gpt-4o-mini" };
	answering(WHOLE_CHAT);
	const answer = await step();
	expect(answer.headers).toMatchObject({ "x-tollgate-degraded": "gpt-4o", "x-tollgate-model": "gpt-4o-mini", "x-tollgate-run": "r-7" });
	expect(authority.attempts[0]?.input).toMatchObject({ model: "gpt-4o-mini", serving: { asked: "gpt-4o", served: "gpt-4o-mini" } });
});
