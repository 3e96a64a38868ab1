import OpenAI from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import type { KeyIdentity } from "#activities/request/port.ts";
import { expectOpenAiError } from "#test/support/batch-refusals.ts";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type DeferredGateway, startDeferredGateway } from "#test/support/gateway-deferred.ts";
import { JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";

/** What is wrong with an item is told with its header or field, before anything is kept or held. */

let on: DeferredGateway;
const CHAT = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hello" }] };

beforeEach(async () => {
	on = await startDeferredGateway({}, { knowsChannel: async (name) => name === "ops" });
	return () => on.close();
});

const post = (body: object | string = CHAT, headers: readonly string[] = [], path = "/v1/deferred/chat/completions") =>
	rawCall(on.url, { path, body: typeof body === "string" ? body : JSON.stringify(body), headers: [...JSON_HEADERS, ...headers] });
const withKey = (changes: Partial<KeyIdentity>): void => void on.authority.keys.set(TEST_KEY, keyIdentity(changes));

async function expectNothingKept(): Promise<void> {
	expect([on.items.asks, await on.stand.payloads()]).toEqual([[], []]);
}

describe("headers", () => {
	const DEADLINE = "x-tollgate-deadline";
	const cases: readonly (readonly [string, readonly string[], string, string])[] = [
		["a deadline that is none", [DEADLINE, "soon"], DEADLINE, "is a span such as 6h"],
		["a deadline that is past", [DEADLINE, "2020-01-01T00:00:00Z"], DEADLINE, "is past"],
		["a deadline without a zone", [DEADLINE, "2026-12-01T09:00:00"], DEADLINE, "is a span such as 6h"],
		["a deadline too near", [DEADLINE, "59s"], DEADLINE, "at least a minute"],
		["a deadline too far", [DEADLINE, "8d"], DEADLINE, "at most seven days"],
		["two deadlines", [DEADLINE, "6h", DEADLINE, "7h"], DEADLINE, "is a span such as 6h"],
		["a lane that nobody may ask for", ["x-tollgate-lane", "real_time"], "x-tollgate-lane", "must be batch"],
		["a channel that policy has not", ["x-tollgate-webhook", "nobody"], "x-tollgate-webhook", "a channel of policy"],
		["an Idempotency-Key twice", ["idempotency-key", "a", "idempotency-key", "b"], "idempotency-key", "given twice"],
		["a run", ["x-tollgate-run", "r1"], "x-tollgate-run", "belongs to no agent run"],
		["a beta", ["anthropic-beta", "context-1m-2025-08-07"], "anthropic-beta", "without betas"],
		["a user that the key may not assert", ["x-tollgate-user", "u1"], "x-tollgate-user", "may not assert"],
		["a compressed body", ["content-encoding", "gzip"], "content-encoding", "compressed"],
	];
	test.each(cases)("%s", async (_what, headers, field, message) => {
		const answer = await post(CHAT, headers);
		const error = expectOpenAiError(answer, field === "x-tollgate-user" ? 403 : 400, field);
		expect(error).toMatchObject({ message: expect.stringContaining(message) });
		expect((error as { code: string }).code).toBe(
			field === DEADLINE ? "deferred.deadline" : field === "x-tollgate-user" ? "key.assertion_refused" : "request.invalid",
		);
		await expectNothingKept();
	});

	test("every mistake is told at once", async () => {
		const headers = [
			DEADLINE,
			"never",
			"x-tollgate-lane",
			"fast",
			"x-tollgate-webhook",
			"A b",
			"idempotency-key",
			"é",
			"x-tollgate-agent",
			"a",
			"x-tollgate-user",
			"u1",
		];
		const error = expectOpenAiError(await post(CHAT, headers, "/v1/deferred/chat/completions?beta=true"), 400, DEADLINE) as {
			readonly problems: readonly { readonly field: string }[];
		};
		expect(error.problems.map(({ field }) => field)).toEqual([
			...[DEADLINE, "x-tollgate-lane", "x-tollgate-webhook", "idempotency-key", "x-tollgate-agent", "query", "x-tollgate-user"],
		]);
		await expectNothingKept();
	});

	test("those that are right are taken: an instant with its zone, a channel of policy", async () => {
		const instant = new Date(1_796_000_000_000 + 3_600_000).toISOString();
		const answer = await post(CHAT, [DEADLINE, instant, "x-tollgate-webhook", "ops"]);
		expect([answer.status, JSON.parse(answer.body.toString())]).toMatchObject([202, { deadline: instant, webhook: "ops" }]);
	});
});

describe("bodies", () => {
	const cases: readonly (readonly [string, object | string, number, string | null])[] = [
		["a stream", { ...CHAT, stream: true }, 400, "stream"],
		["a service tier", { ...CHAT, service_tier: "flex" }, 400, "service_tier"],
		["no messages", { model: "gpt-4o" }, 400, "messages"],
		["no model", { messages: CHAT.messages }, 400, "model"],
		["a model of nobody", { ...CHAT, model: "gpt-unknown" }, 422, "model"],
		["a field that is not known", { ...CHAT, surprise: 1 }, 422, "surprise"],
		["no JSON", "hello", 400, null],
		["a field twice", '{"model":"gpt-4o","model":"gpt-4o-mini","messages":[]}', 400, "model"],
		["nothing", "", 400, null],
	];
	test.each(cases)("%s", async (_what, body, status, param) => {
		const answer = await post(body);
		expect(answer.status).toBe(status);
		expect(JSON.parse(answer.body.toString()).error.param).toBe(param);
		await expectNothingKept();
	});

	test("two mistakes that a batch would be refused for are told together", async () => {
		const error = expectOpenAiError(await post({ ...CHAT, stream: true, service_tier: "flex" }), 400, "stream");
		expect(error).toMatchObject({ problems: [{ field: "stream" }, { field: "service_tier" }] });
	});

	test("an earlier answer of another team is not continued", async () => {
		const body = { model: "gpt-4o", input: "go on", max_output_tokens: 20, previous_response_id: "resp_of_others" };
		expectOpenAiError(await post(body, [], "/v1/deferred/responses"), 422, "previous_response_id");
		on.authority.answers.set("resp_of_others", "demo");
		expect((await post(body, [], "/v1/deferred/responses")).status).toBe(202);
	});

	test("one whose predecessor is answered has its place", async () => {
		await on.close();
		on = await startDeferredGateway({ limits: { heldBodyBytesMax: 1 } });
		expect([(await post()).status, (await post()).status]).toEqual([202, 202]);
	});

	test("one that is larger than a call may be, and one that the gateway has no place for", async () => {
		await on.close();
		on = await startDeferredGateway({ limits: { bodyBytesMax: 1_000, heldBodyBytesMax: 1 } });
		expect((await post({ ...CHAT, messages: [{ role: "user", content: "a".repeat(1_000) }] })).status).toBe(413);
		await on.close();
		on = await startDeferredGateway({ limits: { heldBodyBytesMax: 0 } });
		const answer = await post();
		expect([answer.status, JSON.parse(answer.body.toString()).error.code]).toEqual([503, "gateway.overloaded"]);
		await expectNothingKept();
	});
});

describe("keys", () => {
	test("of another endpoint or model, or whose calls all belong to runs", async () => {
		const codeOf = async (): Promise<string> => JSON.parse((await post()).body.toString()).error?.code;
		withKey({ endpoints: ["embeddings"] });
		expect(await codeOf()).toBe("key.scope");
		withKey({ models: ["gpt-4o-mini"] });
		expect(await codeOf()).toBe("key.scope");
		withKey({ requiresRun: true });
		expect(await codeOf()).toBe("key.scope");
		await expectNothingKept();
		withKey({ endpoints: ["chat.completions"], models: ["gpt-4o"] });
		expect((await post()).status).toBe(202);
	});

	test("none, or one that is not known", async () => {
		expect((await rawCall(on.url, { path: "/v1/deferred/chat/completions", headers: [] })).status).toBe(401);
		const openai = new OpenAI({ apiKey: "tg_nobody", baseURL: `${on.url}/v1`, maxRetries: 0 });
		await expect(openai.get("/deferred")).rejects.toMatchObject({ status: 401, code: "key.invalid" });
	});
});
