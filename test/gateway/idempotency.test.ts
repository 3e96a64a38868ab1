import { request as httpRequest } from "node:http";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { createFakeAuthority, type FakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { createMemoryIdempotencyStore, type MemoryIdempotencyStore } from "#test/support/memory-idempotency.ts";
import { chatBody, JSON_HEADERS, messagesBody, type RawAnswer, rawCall } from "#test/support/raw-call.ts";
import { type ReceivedCall, type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

/** What a repeated Idempotency-Key gets, and that nothing is sent for it. */

let provider: ScriptedProvider;
let gateway: TestGateway;
let authority: FakeAuthority;
let store: MemoryIdempotencyStore;
let answer: (call: ReceivedCall) => void;

const ANSWER = '{"id":"chatcmpl-1","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}';
const STREAM = 'data: {"id":"1","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n';
const USAGE = 'data: {"id":"1","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n';
const DONE = "data: [DONE]\n\n";
const UNREACHABLE = new CostControlError("authority.unreachable", "the budget authority does not answer");

beforeEach(async () => {
	authority = createFakeAuthority(testPriceBook());
	store = createMemoryIdempotencyStore();
	answer = answerPlain;
	provider = await startScriptedProvider((call) => answer(call));
	gateway = await startTestGateway({ authority, providerUrl: provider.url, idempotencyStore: store });
});
afterEach(async () => {
	await gateway.close();
	await provider.close();
});

function answerPlain({ response }: ReceivedCall): void {
	response.writeHead(200, { "content-type": "application/json", "x-request-id": "req_provider", "x-ratelimit-remaining-requests": "9" });
	response.end(ANSWER);
}

function answerStream({ response }: ReceivedCall): void {
	response.writeHead(200, { "content-type": "text/event-stream" });
	response.end(STREAM + USAGE + DONE);
}

function keyed(key: string, call: { readonly body?: string; readonly headers?: readonly string[]; readonly path?: string } = {}): Promise<RawAnswer> {
	return rawCall(gateway.url, { body: chatBody({}), ...call, headers: [...JSON_HEADERS, ...(call.headers ?? []), "Idempotency-Key", key] });
}

function errorOf(received: RawAnswer): Record<string, unknown> {
	return (JSON.parse(received.body.toString()) as { error: Record<string, unknown> }).error;
}

function expectUnknown(received: RawAnswer): void {
	expect(received.status).toBe(409);
	expect(errorOf(received)).toMatchObject({ code: "idempotency.outcome_unknown" });
	expect(received.headers["x-should-retry"]).toBe("false");
}

describe("the same request again", () => {
	test("gets the stored answer, and the provider nothing", async () => {
		const first = await keyed("k1");
		const second = await keyed("k1");
		expect(first.headers["x-tollgate-idempotent-replay"]).toBeUndefined();
		expect(second.status).toBe(200);
		expect(second.body.equals(first.body)).toBe(true);
		expect(second.headers).toMatchObject({
			"x-tollgate-idempotent-replay": "true",
			"x-tollgate-request-id": first.headers["x-tollgate-request-id"],
			"x-tollgate-model": "gpt-4o",
			"x-tollgate-cost-nano-usd": "0",
			"content-type": "application/json",
			"x-request-id": "req_provider",
		});
		expect(second.headers["x-ratelimit-remaining-requests"]).toBeUndefined();
		expect(provider.received).toHaveLength(1);
		expect(authority.attempts).toHaveLength(1);
	});

	test("also when the money is spent meanwhile", async () => {
		await keyed("k1");
		authority.moneyNanoUsd = 0n;
		expect((await keyed("k2")).status).toBe(402);
		expect((await keyed("k1")).status).toBe(200);
	});

	test("a stream comes back as a stream, byte for byte", async () => {
		answer = answerStream;
		const body = chatBody({}, { stream: true });
		const first = await keyed("k1", { body });
		const second = await keyed("k1", { body });
		expect(first.body.toString()).toBe(STREAM + DONE);
		expect(second.body.equals(first.body)).toBe(true);
		expect(second.headers["content-type"]).toBe("text/event-stream");
		expect(provider.received).toHaveLength(1);
	});

	test("on /v1/messages, where a refusal has Anthropic's shape", async () => {
		answer = ({ response }) =>
			response.writeHead(200, { "content-type": "application/json" }).end('{"model":"claude-sonnet-5-5","usage":{"input_tokens":3,"output_tokens":4}}');
		const call = { path: "/v1/messages", body: messagesBody({}), headers: ["anthropic-version", "2023-06-01"] };
		expect((await keyed("k1", call)).status).toBe(200);
		expect((await keyed("k1", call)).headers["x-tollgate-idempotent-replay"]).toBe("true");
		const other = await keyed("k1", { ...call, headers: [...call.headers, "anthropic-beta", "token-efficient-tools-2025-02-19"] });
		expect(other.status).toBe(422);
		expect(JSON.parse(other.body.toString())).toMatchObject({ type: "error", error: { type: "invalid_request_error", code: "idempotency.mismatch" } });
	});

	test("the official client sends it as a header of a call", async () => {
		const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
		const create = () =>
			client.chat.completions
				.create({ model: "gpt-4o", max_tokens: 5, messages: [{ role: "user", content: "hi" }] }, { headers: { "Idempotency-Key": "k1" } })
				.withResponse();
		await create();
		expect((await create()).response.headers.get("x-tollgate-idempotent-replay")).toBe("true");
		expect(provider.received).toHaveLength(1);
	});
});

describe("not the same request", () => {
	test("another body or endpoint is 422", async () => {
		await keyed("k1");
		const other = await keyed("k1", { body: chatBody({}, { max_tokens: 41 }) });
		expect(other.status).toBe(422);
		expect(errorOf(other)).toMatchObject({ code: "idempotency.mismatch", param: "idempotency-key" });
		expect((await keyed("k1", { path: "/v1/responses" })).status).toBe(422);
		expect(provider.received).toHaveLength(1);
	});

	test("another virtual key, or another user of child keys with one id, has keys of its own", async () => {
		authority.keys.set("tg_other", keyIdentity({ keyId: "key2" }));
		authority.keys.set("tg_child", keyIdentity({ userId: "ada" }));
		await keyed("k1");
		for (const secret of ["tg_other", "tg_child"]) {
			const received = await rawCall(gateway.url, { body: chatBody({}), headers: ["authorization", `Bearer ${secret}`, "idempotency-key", "k1"] });
			expect(received.status).toBe(200);
			expect(received.headers["x-tollgate-idempotent-replay"]).toBeUndefined();
		}
		expect(provider.received).toHaveLength(3);
	});

	test("another asserted user is 422", async () => {
		authority.keys.set(TEST_KEY, keyIdentity({ mayAssert: ["user"] }));
		expect((await keyed("k1", { headers: ["x-tollgate-user", "ada"] })).status).toBe(200);
		expect((await keyed("k1", { headers: ["x-tollgate-user", "eve"] })).status).toBe(422);
	});
});

test("while the first is in flight the second is 409 with Retry-After", async () => {
	let call: ReceivedCall | undefined;
	answer = (received) => {
		call = received;
	};
	const first = keyed("k1");
	await expect.poll(() => call).toBeDefined();
	const second = await keyed("k1");
	expect(second.status).toBe(409);
	expect(errorOf(second)).toMatchObject({ code: "idempotency.in_flight" });
	expect(second.headers["retry-after"]).toBe("1");
	expect(second.headers["x-should-retry"]).toBeUndefined();
	answerPlain(call as ReceivedCall);
	expect((await first).status).toBe(200);
	expect((await keyed("k1")).headers["x-tollgate-idempotent-replay"]).toBe("true");
	expect(provider.received).toHaveLength(1);
});

describe("what was never sent or billed is served anew", () => {
	test("a refusal", async () => {
		authority.moneyNanoUsd = 0n;
		expect((await keyed("k1")).status).toBe(402);
		authority.moneyNanoUsd = undefined;
		expect((await keyed("k1")).status).toBe(200);
	});

	test("a request of ours to reject", async () => {
		const body = chatBody({}, { max_tokens: -1 });
		expect((await keyed("k1", { body })).status).toBe(400);
		expect((await keyed("k1", { body })).status).toBe(400);
		expect(store.records.size).toBe(0);
	});

	test.each([400, 429, 500, 503])("a provider's %i, which is released", async (status) => {
		answer = ({ response }) => response.writeHead(status, { "content-type": "application/json" }).end("{}");
		expect((await keyed("k1")).status).toBe(status);
		answer = answerPlain;
		expect((await keyed("k1")).status).toBe(200);
		expect(authority.attempts.map((attempt) => attempt.outcome)).toEqual(["released", "settled"]);
	});
});

describe("what may have run is never sent again", () => {
	test.each([408, 504])("a provider's %i", async (status) => {
		answer = ({ response }) => response.writeHead(status, { "content-type": "application/json" }).end("{}");
		expect((await keyed("k1")).status).toBe(status);
		expectUnknown(await keyed("k1"));
		expect(provider.received).toHaveLength(1);
	});

	test("a connection that broke before the answer, and in the middle of a stream", async () => {
		answer = ({ response }) => response.destroy();
		expect((await keyed("k1")).status).toBe(502);
		expectUnknown(await keyed("k1"));
		answer = ({ response }) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(STREAM, () => response.destroy());
		};
		const body = chatBody({}, { stream: true });
		expect((await keyed("k2", { body })).isWhole).toBe(false);
		expectUnknown(await keyed("k2", { body }));
		expect(provider.received).toHaveLength(2);
	});

	test("an answer above 1 MiB, plain or as a stream, which reaches its caller whole", async () => {
		const large = ANSWER.replace('"choices":[]', `"choices":["${"x".repeat(1024 * 1024)}"]`);
		answer = ({ response }) => response.writeHead(200, { "content-type": "application/json" }).end(large);
		expect((await keyed("k1")).body.toString()).toBe(large);
		const repeated = await keyed("k1");
		expectUnknown(repeated);
		expect(errorOf(repeated)["message"]).toContain("above 1 MiB are not kept");
		const body = chatBody({}, { stream: true, stream_options: { include_usage: true } });
		const chunks = STREAM.repeat(20_000) + USAGE + DONE;
		answer = ({ response }) => response.writeHead(200, { "content-type": "text/event-stream" }).end(chunks);
		expect((await keyed("k2", { body })).body.toString()).toBe(chunks);
		expectUnknown(await keyed("k2", { body }));
	});

	test("a call whose ending cannot be booked", async () => {
		authority.endingError = new CostControlError("journal.unwritable", "The journal cannot be written.");
		expect((await keyed("k1")).status).toBe(503);
		expectUnknown(await keyed("k1"));
	});
});

describe("a caller who left comes back", () => {
	async function leaveBefore(end: (call: ReceivedCall) => void, body: string): Promise<void> {
		let call: ReceivedCall | undefined;
		answer = (received) => {
			call = received;
		};
		const outgoing = httpRequest(`${gateway.url}/v1/chat/completions`, {
			method: "POST",
			agent: false,
			headers: { authorization: `Bearer ${TEST_KEY}`, "content-type": "application/json", "idempotency-key": "k1" },
		});
		outgoing.on("error", () => undefined);
		outgoing.end(body);
		await expect.poll(() => call).toBeDefined();
		outgoing.destroy();
		await expect.poll(() => authority.attempts[0]?.input.leaving.hasLeft).toBe(true);
		end(call as ReceivedCall);
	}

	test.each([
		["a plain answer", {}, answerPlain, ANSWER],
		["a stream", { stream: true }, answerStream, STREAM + DONE],
	] as const)("to %s, drained and kept for him", async (_name, changes, end, expected) => {
		const body = chatBody({}, changes);
		await leaveBefore(end, body);
		await expect.poll(async () => (await keyed("k1", { body })).status).toBe(200);
		const received = await keyed("k1", { body });
		expect(received.body.toString()).toBe(expected);
		expect(provider.received).toHaveLength(1);
		expect(authority.attempts[0]?.outcome).toBe("settled");
	});

	test("to an unknown outcome where policy cuts the call", async () => {
		authority.policy = { ...authority.policy, onDisconnect: "cancel" };
		const body = chatBody({}, { stream: true });
		await leaveBefore(() => undefined, body);
		await expect.poll(async () => errorOf(await keyed("k1", { body }))["code"]).toBe("idempotency.outcome_unknown");
		expect(provider.received).toHaveLength(1);
	});
});

test.each([
	["a plain answer", {}, answerPlain, "", ANSWER],
	["a stream", { stream: true }, answerStream, STREAM, STREAM + DONE],
] as const)("%s ends for its caller only when it is stored", async (_name, changes, respond, early, whole) => {
	const patient = await startTestGateway({ authority, providerUrl: provider.url, idempotencyStore: store, finishPatienceMs: 60_000 });
	let openGate: () => void = () => undefined;
	store.gate = new Promise((resolve) => {
		openGate = resolve;
	});
	let received = "";
	let isOver = false;
	answer = ({ response }) => {
		if (early === "") respond({ response } as ReceivedCall);
		else response.writeHead(200, { "content-type": "text/event-stream" }).write(early, () => void response.end(whole.slice(early.length)));
	};
	const headers = { authorization: `Bearer ${TEST_KEY}`, "content-type": "application/json", "idempotency-key": "k1" };
	const outgoing = httpRequest(`${patient.url}/v1/chat/completions`, { method: "POST", agent: false, headers }, (response) => {
		response.setEncoding("utf8").on("data", (text: string) => {
			received += text;
		});
		response.on("end", () => {
			isOver = true;
		});
	});
	outgoing.end(chatBody({}, changes));
	await expect.poll(() => store.roundTrips).toBe(2);
	// A whole other call fits in between: what had been sent would have arrived.
	await rawCall(patient.url, { body: chatBody({}) });
	expect([early, ""]).toContain(received);
	expect(isOver).toBe(false);
	openGate();
	await expect.poll(() => isOver).toBe(true);
	expect(received).toBe(whole);
	await patient.close();
});

describe("PostgreSQL", () => {
	test("is asked once before the call is sent and once after, and never without the header", async () => {
		await rawCall(gateway.url, { body: chatBody({}) });
		expect(store.roundTrips).toBe(0);
		expect(authority.counters.sqlRoundTripsBeforeSend).toBe(0);
		await keyed("k1");
		expect(store.roundTrips).toBe(2);
		expect(authority.counters.sqlRoundTripsBeforeSend).toBe(1);
	});

	test("away before the call: 503, and nothing is sent", async () => {
		store.error = UNREACHABLE;
		const received = await keyed("k1");
		expect(received.status).toBe(503);
		expect(errorOf(received)).toMatchObject({ code: "authority.unreachable" });
		expect(received.headers["retry-after"]).toBeDefined();
		expect(provider.received).toHaveLength(0);
		expect(authority.attempts).toHaveLength(0);
	});

	test.each([
		[
			"does not take the record",
			() => {
				store.error = UNREACHABLE;
			},
		],
		[
			"hangs",
			() => {
				store.gate = new Promise(() => undefined);
			},
		],
	])("%s after the call: the answer is delivered, and the key stays taken", async (_name, fail) => {
		answer = (call) => {
			fail();
			answerPlain(call);
		};
		const received = await keyed("k1");
		expect(received.status).toBe(200);
		expect(received.body.toString()).toBe(ANSWER);
		store.error = undefined;
		expect((await keyed("k1")).status).toBe(409);
		expect(provider.received).toHaveLength(1);
	});
});

test.each([
	["empty", [""]],
	["256 characters long", ["x".repeat(256)]],
	["not ASCII", ["schl\u00fcssel"]],
	["given twice", ["a", "b"]],
])("a key that is %s is 400 before anything else", async (_name, keys) => {
	const received = await rawCall(gateway.url, { body: chatBody({}), headers: [...JSON_HEADERS, ...keys.flatMap((key) => ["Idempotency-Key", key])] });
	expect(received.status).toBe(400);
	expect(errorOf(received)).toMatchObject({ code: "request.invalid", param: "idempotency-key" });
	expect(store.roundTrips).toBe(0);
});
