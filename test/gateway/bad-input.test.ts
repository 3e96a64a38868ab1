import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { chatBody, JSON_HEADERS, messagesBody, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** Whatever comes in, the answer has the protocol's shape, and nothing is reserved or sent. */

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;

beforeAll(async () => {
	provider = await startScriptedProvider((call) => call.response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'));
});
afterAll(() => provider.close());
beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	provider.received.length = 0;
	gateway = await startTestGateway({ authority, providerUrl: provider.url, limits: { bodyBytesMax: 1_000_000 } });
	return () => gateway.close();
});

const MESSAGES = { path: "/v1/messages", headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"] } as const;

function expectOpenAiError(answer: RawAnswer, status: number, code: string): void {
	expect(answer.status).toBe(status);
	const { error } = JSON.parse(answer.body.toString());
	expect(error).toMatchObject({ code, message: expect.any(String), type: expect.any(String) });
	expect("param" in error).toBe(true);
	expect(answer.headers["x-should-retry"]).toBe("false");
	expectNothingHappened();
}

function expectAnthropicError(answer: RawAnswer, status: number, code: string): void {
	expect(answer.status).toBe(status);
	const requestId = answer.headers["x-tollgate-request-id"];
	expect(JSON.parse(answer.body.toString())).toMatchObject({
		type: "error",
		error: { code, message: expect.any(String), type: expect.any(String) },
		request_id: requestId,
	});
	expect(answer.headers["request-id"]).toBe(requestId);
	expectNothingHappened();
}

function expectNothingHappened(): void {
	expect(authority.attempts).toHaveLength(0);
	expect(provider.received).toHaveLength(0);
}

const USER = '{"role":"user","content":"hi"}';

describe("bodies", () => {
	test.each([
		["no JSON", "hello", 400, "request.invalid"],
		["nothing", "", 400, "request.invalid"],
		["an array", "[]", 400, "request.invalid"],
		["NaN", `{"model":"gpt-4o","temperature":NaN,"messages":[${USER}]}`, 400, "request.invalid"],
		["a wrong type", '{"model":"gpt-4o","messages":"hi"}', 400, "request.invalid"],
		["__proto__", `{"model":"gpt-4o","__proto__":{"n":9},"messages":[${USER}]}`, 400, "request.invalid"],
		["deep nesting", `{"model":"gpt-4o","messages":[${"[".repeat(5_000)}${"]".repeat(5_000)}]}`, 400, "request.invalid"],
		["a duplicate key", `{"model":"gpt-4o","max_tokens":1,"max_tokens":9000,"messages":[${USER}]}`, 400, "request.duplicate_field"],
		["a case variant", `{"model":"gpt-4o","Max_Tokens":9000,"messages":[${USER}]}`, 400, "request.duplicate_field"],
		["a negative cap", `{"model":"gpt-4o","max_tokens":-1,"messages":[${USER}]}`, 400, "request.invalid"],
		["a cap as text", `{"model":"gpt-4o","max_tokens":"9","messages":[${USER}]}`, 400, "request.invalid"],
		["a cap that is null", `{"model":"gpt-4o","max_tokens":null,"messages":[${USER}]}`, 400, "request.invalid"],
		["a fractional cap", `{"model":"gpt-4o","max_tokens":1.5,"messages":[${USER}]}`, 400, "request.invalid"],
		["an absurd cap", `{"model":"gpt-4o","max_tokens":1e400,"messages":[${USER}]}`, 400, "request.invalid"],
		["a model that is no text", `{"model":["gpt-4o"],"messages":[${USER}]}`, 400, "request.invalid"],
		["text after the body", `{"model":"gpt-4o","messages":[${USER}]} {}`, 400, "request.invalid"],
		["an escaped duplicate key", `{"model":"gpt-4o","max_tokens":1,"max_\\u0074okens":9000,"messages":[${USER}]}`, 400, "request.duplicate_field"],
		["an unknown field", `{"model":"gpt-4o","warp_speed":true,"messages":[${USER}]}`, 422, "request.unknown_field"],
		["an unpriced model", `{"model":"gpt-unpriced","messages":[${USER}]}`, 422, "pricing.unknown_model"],
		["a model of another endpoint", `{"model":"claude-sonnet-5-5","messages":[${USER}]}`, 404, "request.unknown_model"],
	])("%s", async (_name, body, status, code) => {
		expectOpenAiError(await rawCall(gateway.url, { body }), status, code);
		if (status === 400) expectAnthropicError(await rawCall(gateway.url, { ...MESSAGES, body: body.replace("gpt-4o", "claude-sonnet-5-5") }), status, code);
	});

	test.each(["chat/completions", "responses", "embeddings", "messages", "messages/count_tokens"])(
		"on /v1/%s, whatever is no request ends before a reservation",
		async (path) => {
			const anthropic = path.startsWith("messages");
			const expectError = anthropic ? expectAnthropicError : expectOpenAiError;
			const model = anthropic ? "claude-sonnet-5-5" : path === "embeddings" ? "text-embedding-3-small" : "gpt-4o";
			const call = { path: `/v1/${path}`, headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"] };
			const bodies: readonly (readonly [string, string])[] = [
				["hello", "request.invalid"],
				["[]", "request.invalid"],
				["{}", "request.invalid"],
				[`{"model":"${model}","__proto__":{}}`, "request.invalid"],
				[`{"model":"${model}","model":"${model}"}`, "request.duplicate_field"],
				[`{"model":"${model}","MODEL":"x"}`, "request.duplicate_field"],
			];
			for (const [body, code] of bodies) expectError(await rawCall(gateway.url, { ...call, body }), 400, code);
			expectError(await rawCall(gateway.url, { ...call, body: `{"model":"${model}","input":"${"x".repeat(1_000_001)}"}` }), 413, "request.too_large");
		},
	);

	test.each([
		["chat/completions", "max_completion_tokens"],
		["responses", "max_output_tokens"],
		["messages", "max_tokens"],
	])("a cap of /v1/%s is a positive integer: %s", async (path, field) => {
		const isMessages = path === "messages";
		for (const cap of ["-1", "0", '"9"', "null", "1.5", "[9]", "true"]) {
			const text = path === "responses" ? '"input":"hi"' : `"messages":[${USER}]`;
			const body = `{"model":"${isMessages ? "claude-sonnet-5-5" : "gpt-4o"}","${field}":${cap},${text}}`;
			const answer = await rawCall(gateway.url, { path: `/v1/${path}`, headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"], body });
			(isMessages ? expectAnthropicError : expectOpenAiError)(answer, 400, "request.invalid");
		}
	});

	test("an unpriced model names itself and the command that prices it", async () => {
		const answer = await rawCall(gateway.url, { body: `{"model":"gpt-unpriced","messages":[${USER}]}` });
		expect(JSON.parse(answer.body.toString()).error.message).toMatch(/gpt-unpriced.*npx tollgate price set --provider openai --model gpt-unpriced --input USD/);
	});

	test("a NUL in a text passes byte for byte", async () => {
		const body = '{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"a\\u0000b"}]}';
		expect((await rawCall(gateway.url, { body })).status).toBe(200);
		expect(provider.received[0]?.body.toString()).toBe(body);
	});

	test("a body above the limit, announced or not: 413", async () => {
		const body = chatBody({}, { user: "x".repeat(1_000_001) });
		expectOpenAiError(await rawCall(gateway.url, { body }), 413, "request.too_large");
		expectAnthropicError(await rawCall(gateway.url, { ...MESSAGES, body }), 413, "request.too_large");
	});

	test("a body above the limit that does not say how long it is: 413", async () => {
		const answer = await chunkedCall(gateway.url, 2_000_000);
		expect(answer).toMatch(/^HTTP\/1\.1 413 /);
		expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)).error.code).toBe("request.too_large");
		expectNothingHappened();
	});

	test.each([
		["content-type", "text/plain"],
		["content-type", "application/json; charset=utf-16"],
		["content-encoding", "gzip"],
	])("%s: %s", async (name, value) => {
		const headers = name === "content-type" ? [...JSON_HEADERS.slice(0, 2), name, value] : [...JSON_HEADERS, name, value];
		expectOpenAiError(await rawCall(gateway.url, { headers, body: chatBody({}) }), 400, "request.invalid");
	});
});

describe("credentials", () => {
	test.each([
		["none", [], 401, "key.missing"],
		["an unknown key", ["authorization", "Bearer nobody"], 401, "key.invalid"],
		["no scheme", ["authorization", TEST_KEY], 401, "key.missing"],
		["two Authorization headers", ["authorization", `Bearer ${TEST_KEY}`, "Authorization", `Bearer ${TEST_KEY}`], 400, "request.invalid"],
		["two different keys", ["authorization", `Bearer ${TEST_KEY}`, "x-api-key", "other"], 400, "request.invalid"],
	])("%s", async (_name, credentials, status, code) => {
		expectOpenAiError(await rawCall(gateway.url, { headers: [...credentials, "content-type", "application/json"], body: chatBody({}) }), status, code);
		expectAnthropicError(
			await rawCall(gateway.url, { ...MESSAGES, headers: [...credentials, "content-type", "application/json"], body: messagesBody({}) }),
			status,
			code,
		);
	});

	test.each([
		["x-api-key", TEST_KEY],
		["api-key", TEST_KEY],
		["Authorization", `bearer ${TEST_KEY}`],
	])("%s is accepted", async (name, value) => {
		expect((await rawCall(gateway.url, { headers: [name, value, "content-type", "application/json"], body: chatBody({}) })).status).toBe(200);
		expect(provider.received[0]?.request.headers[name.toLowerCase()]).not.toBe(value);
	});

	test.each(["key.expired", "key.revoked"] as const)("%s: 401 in both shapes", async (code) => {
		authority.resolveKey = () => ({ kind: "refused", code, message: "This key has ended." });
		expectOpenAiError(await rawCall(gateway.url, { body: chatBody({}) }), 401, code);
		expectAnthropicError(await rawCall(gateway.url, { ...MESSAGES, body: messagesBody({}) }), 401, code);
	});

	test("an unknown key is refused before the body is read", async () => {
		const answer = await rawCall(gateway.url, { headers: ["authorization", "Bearer nobody"], body: "x".repeat(2_000_000) }).catch(
			(error: NodeJS.ErrnoException) => error,
		);
		// The connection may break while the body is still being written.
		if (answer instanceof Error) expect(["EPIPE", "ECONNRESET"]).toContain((answer as NodeJS.ErrnoException).code);
		else expect(answer.status).toBe(401);
	});

	test("scopes: model, endpoint", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ models: ["gpt-4o-2024-08-06"] }));
		expectOpenAiError(await rawCall(gateway.url, { body: chatBody({}) }), 403, "key.scope");
		const list = await rawCall(gateway.url, { method: "GET", path: "/v1/models" });
		expect(JSON.parse(list.body.toString()).data.map((model: { id: string }) => model.id)).toEqual(["gpt-4o-2024-08-06"]);
		authority.keys.set(TEST_KEY, keyIdentity({ endpoints: ["embeddings"] }));
		expectOpenAiError(await rawCall(gateway.url, { body: chatBody({}) }), 403, "key.scope");
	});
});

describe("what a caller asserts", () => {
	const asUser = (...users: string[]): string[] => [...JSON_HEADERS, ...users.flatMap((user) => ["x-tollgate-user", user])];

	test("a key that may not assert is refused", async () => {
		expectOpenAiError(await rawCall(gateway.url, { headers: asUser("ann"), body: chatBody({}) }), 403, "key.assertion_refused");
	});

	test("a key that may: attribution, until its distinct values are used up", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ mayAssert: ["user"] }));
		expect((await rawCall(gateway.url, { headers: asUser("ann"), body: chatBody({}) })).status).toBe(200);
		expect(authority.attempts[0]?.input.asserted).toEqual({ user: "ann" });
		authority.assertionsLeft = 0;
		const refused = await rawCall(gateway.url, { headers: asUser("bob"), body: chatBody({}) });
		expect(refused.status).toBe(403);
		expect(authority.attempts).toHaveLength(1);
	});

	test.each([
		["two values", ["ann", "bob"]],
		["an empty value", [""]],
		["129 characters", ["x".repeat(129)]],
	])("%s", async (_name, users) => {
		authority.keys.set(TEST_KEY, keyIdentity({ mayAssert: ["user"] }));
		expectOpenAiError(await rawCall(gateway.url, { headers: asUser(...users), body: chatBody({}) }), 400, "request.invalid");
	});
});

describe("headers", () => {
	test("only the allow-list reaches a provider", async () => {
		const extra = [
			"openai-organization",
			"org-1",
			"openai-project",
			"p-1",
			"anthropic-workspace-id",
			"w-1",
			"anthropic-user-profile-id",
			"u-1",
			"x-forwarded-for",
			"1.2.3.4",
			"cookie",
			"a=b",
			"x-simulate",
			"{}",
			"accept-encoding",
			"gzip",
		];
		await rawCall(gateway.url, { headers: [...JSON_HEADERS, ...extra], body: chatBody({}) });
		const sent = provider.received[0]?.request.headers ?? {};
		expect(Object.keys(sent).sort()).toEqual([
			"accept-encoding",
			"authorization",
			"connection",
			"content-length",
			"content-type",
			"host",
			"x-client-request-id",
		]);
		expect(sent["accept-encoding"]).toBe("identity");
		expect(sent["x-client-request-id"]).toBe(authority.attempts[0]?.attemptId);
		expect(sent.authorization).toBe("Bearer sk-provider-canary-4f1d9c");
	});

	test("an anthropic-beta value that is not listed is refused", async () => {
		expectAnthropicError(
			await rawCall(gateway.url, { ...MESSAGES, headers: [...MESSAGES.headers, "anthropic-beta", "warp-2099-01-01"], body: messagesBody({}) }),
			422,
			"request.unknown_field",
		);
	});

	test("query parameters other than the SDK's own", async () => {
		expectOpenAiError(await rawCall(gateway.url, { path: "/v1/chat/completions?model=gpt-5", body: chatBody({}) }), 422, "request.unknown_field");
	});

	test("too many header bytes: 431 in shape", async () => {
		const answer = await rawCall(gateway.url, { headers: [...JSON_HEADERS, "x-long", "y".repeat(20_000)], body: chatBody({}) });
		expect(answer.status).toBe(431);
		expect(JSON.parse(answer.body.toString()).error.code).toBe("request.invalid");
	});

	test("what is not HTTP gets 400 in shape, with a request id", async () => {
		const { head, body } = await rawSocketCall(gateway.url, "NOT HTTP AT ALL\r\n\r\n");
		expect(head).toMatch(/^HTTP\/1\.1 400 /);
		expect(head).toMatch(/x-tollgate-request-id: req_/);
		expect(body.error["code"]).toBe("request.invalid");
	});

	test("a path that is no URL: 400 in both shapes", async () => {
		expectOpenAiError(await rawCall(gateway.url, { path: "/v1/%zz", body: chatBody({}) }), 400, "request.invalid");
		expectAnthropicError(await rawCall(gateway.url, { ...MESSAGES, path: "/v1/messages%zz", body: messagesBody({}) }), 400, "request.invalid");
	});

	test.each([
		["/v1/chat/completions", "x-request-id"],
		["/v1/messages", "request-id"],
	])("an expectation nobody can meet at %s: 417 in shape", async (path, idHeader) => {
		const { head, body } = await rawSocketCall(gateway.url, `POST ${path} HTTP/1.1\r\nhost: gateway\r\nexpect: x\r\ncontent-length: 5\r\n\r\nhello`);
		expect(head).toMatch(/^HTTP\/1\.1 417 /);
		const [, requestId] = new RegExp(`\r\n${idHeader}: (req_\\S+)`).exec(head) ?? [];
		expect(requestId).toBeDefined();
		expect(body.error).toMatchObject({ code: "request.invalid", type: "invalid_request_error", param: "expect" });
		if (path === "/v1/messages") expect(body).toMatchObject({ type: "error", request_id: requestId });
		expectNothingHappened();
	});
});

test("200 KB of one letter does not hold up other callers' answers", async () => {
	const long = rawCall(gateway.url, { body: chatBody({}, { messages: [{ role: "user", content: "a".repeat(200_000) }] }) });
	const others = await Promise.all(Array.from({ length: 5 }, () => rawCall(gateway.url, { body: chatBody({}) })));
	expect(others.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
	expect([200, 422]).toContain((await long).status);
});

test("a tiny inline image is bounded by the line's maximum per image", async () => {
	const url = `data:image/png;base64,${Buffer.alloc(75).toString("base64")}`;
	const answer = await rawCall(gateway.url, { body: chatBody({}, { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] }) });
	expect(answer.status).toBe(200);
	expect(authority.attempts[0]?.input.bound.inputTokens).toBeGreaterThanOrEqual(2_000);
});

/** A chunked body of `bytes`, sent until the answer comes; resolves with what the gateway said. */
function chunkedCall(url: string, bytes: number): Promise<string> {
	return new Promise((resolve) => {
		let received = "";
		const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
			socket.write(
				`POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${TEST_KEY}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
			);
			for (let sent = 0; sent < bytes; sent += 65_536) socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`);
		});
		socket.on("data", (chunk) => {
			received += chunk.toString();
			if (received.includes("}}")) socket.destroy();
		});
		// The gateway may hang up while the rest is still on its way.
		socket.on("error", () => undefined);
		socket.once("close", () => resolve(received));
	});
}

/** Sends bytes as they are; resolves when the gateway hangs up. */
function rawSocketCall(url: string, bytes: string): Promise<{ readonly head: string; readonly body: { readonly error: Record<string, unknown> } }> {
	return new Promise((resolve, reject) => {
		let received = "";
		const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
		socket.on("data", (chunk) => {
			received += chunk.toString();
		});
		socket.once("end", () => {
			const bodyStart = received.indexOf("\r\n\r\n") + 4;
			resolve({ head: received.slice(0, bodyStart), body: JSON.parse(received.slice(bodyStart)) });
		});
		socket.once("error", reject);
	});
}
