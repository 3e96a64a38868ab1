import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, messagesBody, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { createScriptedGuard, type ScriptedGuard, scriptedSteps } from "#test/support/scripted-guard.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** What a call says of its agent run: read with every mistake named, told to the guard, and to no provider. */

const ANSWER = '{"id":"chatcmpl-1","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}';
const STREAM = `data: {"id":"1","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\ndata: [DONE]\n\n`;

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let guard: ScriptedGuard;

beforeAll(async () => {
	provider = await startScriptedProvider(({ response, body }) => {
		const isStream = body.includes('"stream":true');
		response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json", "x-tollgate-run": "of-the-provider" });
		response.end(isStream ? STREAM : ANSWER);
	});
});
afterAll(() => provider.close());
beforeEach(async () => {
	provider.received.length = 0;
	authority = createFakeAuthority(testPriceBook());
	guard = createScriptedGuard();
	gateway = await startTestGateway({ authority, providerUrl: provider.url, steps: scriptedSteps(guard) });
	return () => gateway.close();
});

type Call = { readonly path?: string; readonly body?: string };

function callWith(headers: readonly string[], call: Call = {}): Promise<RawAnswer> {
	return rawCall(gateway.url, { body: chatBody({}), ...call, headers: [...JSON_HEADERS, ...headers] });
}

function errorOf(answer: RawAnswer): Record<string, unknown> {
	return (JSON.parse(answer.body.toString()) as { error: Record<string, unknown> }).error;
}

describe("bad headers", () => {
	const RUN = "x-tollgate-run";
	const PARENT = "x-tollgate-parent-run";
	const AGENT = "x-tollgate-agent";

	test.each([
		["an empty id", [RUN, ""], [RUN]],
		["an id with a blank", [RUN, "a b"], [RUN]],
		["an id with a slash", [RUN, "a/b"], [RUN]],
		["an id that begins with a dot", [RUN, ".a"], [RUN]],
		["an id of 129 characters", [RUN, "a".repeat(129)], [RUN]],
		["an id given twice", [RUN, "a", RUN, "b"], [RUN]],
		["a parent without a run", [PARENT, "p-1"], [PARENT]],
		["a parent that cannot be, without a run", [PARENT, "p 1"], [PARENT, PARENT]],
		["an agent with a comma", [AGENT, "a,b"], [AGENT]],
		["an agent of 65 characters", [AGENT, "a".repeat(65)], [AGENT]],
		["everything at once", [RUN, "a b", PARENT, "$", AGENT, ""], [RUN, PARENT, AGENT]],
	])("%s: 422 with every mistake by its header, nothing entered and nothing sent", async (_name, headers, fields) => {
		const answer = await callWith(headers);
		expect(answer.status).toBe(422);
		const error = errorOf(answer);
		expect(error).toMatchObject({ code: "run.invalid", type: "invalid_request_error", param: fields[0] });
		expect((error["problems"] as { field: string }[]).map(({ field }) => field)).toEqual(fields);
		for (const field of fields) expect(error["message"]).toContain(field);
		expect(answer.headers["x-should-retry"]).toBe("false");
		expect(guard.entered).toEqual([]);
		expect([authority.attempts, provider.received]).toEqual([[], []]);
	});

	test("in Anthropic's shape", async () => {
		const answer = await callWith([RUN, "a b", "anthropic-version", "2023-06-01"], { path: "/v1/messages", body: messagesBody({}) });
		expect(JSON.parse(answer.body.toString())).toMatchObject({
			type: "error",
			error: { code: "run.invalid", param: RUN, problems: [{ field: RUN }], details: { error_code: "run.invalid" } },
		});
	});

	test.each(["a", "A".repeat(128), "0.-_:x", "7"])("%s is an id", async (id) => {
		expect((await callWith([RUN, id])).status).toBe(200);
		expect(guard.entered.map(({ call }) => call.claim)).toEqual([{ runId: id, parentRunId: null }]);
	});
});

describe("what the guard is told", () => {
	test("who calls, as what, and the body that was read", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ feature: "search", mayAssert: ["feature"] }));
		authority.countBudgets = ({ model, provider: name, asserted }) => (model === "gpt-4o" && name === "openai" && asserted.feature === "research" ? 5 : 0);
		const body = chatBody({});
		const named = ["x-tollgate-run", "r-7", "x-tollgate-parent-run", "root", "x-tollgate-agent", "planner one", "x-tollgate-feature", "research"];
		await callWith(named, { body });
		expect(guard.entered).toMatchObject([
			{
				keyId: "key1",
				call: {
					feature: "research",
					claim: { runId: "r-7", parentRunId: "root" },
					agent: "planner one",
					endpoint: "chat.completions",
					conversation: JSON.parse(body),
					model: "gpt-4o",
					otherWindows: 5,
				},
			},
		]);
		expect(authority.attempts[0]?.input.run).toEqual({ runIds: ["7"], budgets: [] });
	});

	test("nothing of a call that names no run, with or without an agent", async () => {
		expect((await callWith([])).status).toBe(200);
		expect((await callWith(["x-tollgate-agent", "planner"])).status).toBe(200);
		expect(guard.entered).toEqual([]);
		expect(authority.attempts.map(({ input }) => input.run)).toEqual([undefined, undefined]);
	});

	test("every call of a key that requires a run", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ requiresRun: true }));
		const answer = await callWith(["x-tollgate-agent", "planner"]);
		await callWith([]);
		expect(guard.entered.map(({ call }) => [call.claim, call.agent])).toEqual([
			[null, "planner"],
			[null, ""],
		]);
		expect(answer.headers["x-tollgate-run"]).toBe("implicit");
	});

	test("nothing of a call that is refused before: another endpoint's key, a bad body, an unknown model", async () => {
		const run = ["x-tollgate-run", "r-7"];
		expect((await callWith(run, { body: "no json" })).status).toBe(400);
		expect((await callWith(run, { body: chatBody({}, { model: "nowhere" }) })).status).toBe(422);
		authority.keys.set(TEST_KEY, keyIdentity({ endpoints: ["messages"] }));
		expect((await callWith(run)).status).toBe(403);
		expect(guard.entered).toEqual([]);
	});

	test("and of one that it says nothing to, which goes on without a run", async () => {
		guard.receive = () => undefined;
		const answer = await callWith(["x-tollgate-run", "r-7"]);
		expect(answer.status).toBe(200);
		expect(answer.headers).not.toHaveProperty("x-tollgate-run");
	});

	test("a run that is not known here is looked up once, and counted as a round trip", async () => {
		const receive = guard.receive;
		guard.receive = async (call) => receive(call);
		expect((await callWith(["x-tollgate-run", "r-7"])).status).toBe(200);
		expect(authority.counters.sqlRoundTripsBeforeSend).toBe(1);
		guard.receive = receive;
		expect((await callWith(["x-tollgate-run", "r-7"])).status).toBe(200);
		expect(authority.counters.sqlRoundTripsBeforeSend).toBe(1);
	});
});

test("no provider sees a header of ours, on any endpoint", async () => {
	const named = ["x-tollgate-run", "r-7", "x-tollgate-parent-run", "root", "x-tollgate-agent", "planner", "X-Tollgate-Anything", "x"];
	const bodies: readonly (readonly [string, string])[] = [
		["/v1/chat/completions", chatBody({})],
		["/v1/chat/completions", chatBody({}, { stream: true })],
		["/v1/responses", '{"model":"gpt-4o","input":"hello","max_output_tokens":40}'],
		["/v1/embeddings", '{"model":"text-embedding-3-small","input":"hello"}'],
		["/v1/messages", messagesBody({})],
		["/v1/messages/count_tokens", messagesBody({}, { max_tokens: undefined })],
	];
	for (const [path, body] of bodies) await callWith([...named, "anthropic-version", "2023-06-01"], { path, body });
	expect(provider.received.map(({ request }) => request.url?.replace(/^\/v1/, ""))).toHaveLength(bodies.length);
	expect(guard.entered.map(({ call }) => call.endpoint)).toEqual([
		"chat.completions",
		"chat.completions",
		"responses",
		"embeddings",
		"messages",
		"count_tokens",
	]);
	for (const { request } of provider.received) {
		expect(Object.keys(request.headers).filter((name) => name.startsWith("x-tollgate"))).toEqual([]);
		expect(JSON.stringify(request.rawHeaders)).not.toMatch(/r-7|planner|root/);
	}
});

describe("what the caller is told", () => {
	test.each([
		["in one piece", {}],
		["as a stream", { stream: true }],
	])("%s: his run, and the guards that warn of it; never what a provider says of one", async (_name, how) => {
		guard.warnings = ["loop.cycle", "ceiling.steps"];
		const warned = await callWith(["x-tollgate-run", "r-7"], { body: chatBody({}, how) });
		expect(warned.headers).toMatchObject({ "x-tollgate-run": "r-7", "x-tollgate-run-warning": "loop.cycle,ceiling.steps" });
		guard.warnings = [];
		const calm = await callWith(["x-tollgate-run", "r-7"], { body: chatBody({}, how) });
		expect(calm.headers["x-tollgate-run"]).toBe("r-7");
		expect(calm.headers).not.toHaveProperty("x-tollgate-run-warning");
		expect((await callWith([], { body: chatBody({}, how) })).headers).not.toHaveProperty("x-tollgate-run");
	});
});

describe("an Idempotency-Key", () => {
	const KEYED = ["idempotency-key", "r-7/1"];

	test("is replayed without the guard, also while the run is held: nothing is spent", async () => {
		const call = ["x-tollgate-run", "r-7", ...KEYED];
		expect((await callWith(call)).status).toBe(200);
		guard.receive = () => expect.fail("the guard was asked");
		const replayed = await callWith(call);
		expect(replayed.status).toBe(200);
		expect(replayed.headers).toMatchObject({ "x-tollgate-idempotent-replay": "true", "x-tollgate-run": "r-7", "x-tollgate-cost-nano-usd": "0" });
		expect(guard.entered.map(({ ends }) => ends.length)).toEqual([1]);
	});

	test.each([
		["of another run", ["x-tollgate-run", "r-8"]],
		["of none", []],
	])("is another request %s", async (_name, run) => {
		await callWith(["x-tollgate-run", "r-7", ...KEYED]);
		const other = await callWith([...run, ...KEYED]);
		expect(other.status).toBe(422);
		expect(errorOf(other)).toMatchObject({ code: "idempotency.mismatch", message: expect.stringContaining("run") });
		expect(provider.received).toHaveLength(1);
	});
});
