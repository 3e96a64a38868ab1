import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLine, chatLines, kept, messageRequest, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";
import { JSON_HEADERS, type RawAnswer, rawCall } from "#test/support/raw-call.ts";

/** Whatever is wrong is told by its line and field in the protocol's shape, before anything is held; and nothing of it is kept. */

const OTHER_KEY = "tg_test_other";

let on: BatchGateway;
let openai: OpenAI;
let anthropic: Anthropic;

beforeEach(async () => {
	on = await startBatchGateway();
	on.authority.keys.set(OTHER_KEY, keyIdentity({ keyId: "key2", teamId: "other" }));
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: on.url, maxRetries: 0 });
	return () => on.close();
});

async function upload(text: string): Promise<OpenAI.FileObject> {
	return openai.files.create({ file: await toFile(Buffer.from(text), "requests.jsonl"), purpose: "batch" });
}

const create = (input_file_id: string, changes: Readonly<Record<string, unknown>> = {}) =>
	openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", ...changes });

type Told = { readonly status: number; readonly code: string; readonly line?: number; readonly param?: string | null; readonly message: string };

async function refusalOf(work: Promise<unknown>): Promise<Told> {
	const error = await work.then(
		() => undefined,
		(thrown: unknown) => thrown,
	);
	if (error === undefined) return { status: 200, code: "not refused", message: "" };
	if (!(error instanceof OpenAI.APIError) && !(error instanceof Anthropic.APIError)) throw error;
	const body = error.error as { readonly error?: Told } & Told;
	return { ...(body.error ?? body), status: error.status as number };
}

const lines = (...texts: readonly string[]): string => texts.map((text) => `${text}\n`).join("");
const ok = chatLine(1);

describe("request files", () => {
	test.each([
		["no JSON", lines(ok, "hello"), 2, null],
		["a line that is cut", lines(ok, chatLine(2).slice(0, -9)), 2, null],
		["an array", lines(ok, "[]"), 2, null],
		["an empty line within", lines(ok, "", chatLine(3)), 2, null],
		["a custom_id twice", lines(ok, chatLine(2), chatLine(1)), 3, "custom_id"],
		["no custom_id", lines(chatLine(1, { line: { custom_id: undefined } })), 1, "custom_id"],
		["another method", lines(chatLine(1, { line: { method: "GET" } })), 1, "method"],
		["an endpoint that is not batched", lines(chatLine(1, { line: { url: "/v1/images/generations" } })), 1, "url"],
		["mixed endpoints", lines(ok, chatLine(2, { line: { url: "/v1/responses" } })), 2, "url"],
		["mixed models", lines(ok, chatLine(2, { body: { model: "gpt-4o-mini" } })), 2, "body.model"],
		["no model", lines(chatLine(1, { body: { model: undefined } })), 1, "body.model"],
		["a stream", lines(chatLine(1, { body: { stream: true } })), 1, "body.stream"],
		["a service tier", lines(chatLine(1, { body: { service_tier: "flex" } })), 1, "body.service_tier"],
		["a cap that is none", lines(chatLine(1, { body: { max_tokens: -1 } })), 1, "body.max_tokens"],
		["a field of the line that is unknown", lines(chatLine(1, { line: { priority: 1 } })), 1, "priority"],
		["a field twice", lines(ok, ok.replace('"model"', '"model":"x","model"')), 2, "body.model"],
	])("%s: 400 with its line and field", async (_what, text, line, param) => {
		const told = await refusalOf(upload(text));
		expect(told).toMatchObject({ status: 400, code: "batch.line_invalid", line, param });
		expect(told.message).toContain(`line ${line}`);
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});

	test("every mistake of a file is told at once, by line", async () => {
		const told = await refusalOf(upload(lines("hello", chatLine(2, { line: { method: "GET" } }), ok, ok)));
		expect(told).toMatchObject({ line: 1, problems: [{ field: "line 1" }, { field: "line 2: method" }, { field: "line 4: custom_id" }] });
	});

	test("an empty file, and one of another purpose, are refused", async () => {
		expect(await refusalOf(upload(""))).toMatchObject({ status: 400, code: "batch.line_invalid" });
		const file = await toFile(Buffer.from(ok), "a.jsonl");
		// The file comes first: what is wrong is known only behind it.
		expect(await refusalOf(openai.files.create({ file, purpose: "fine-tune" }))).toMatchObject({ status: 400, code: "request.invalid", param: "purpose" });
		expect(await refusalOf(openai.files.create({ purpose: "assistants", file }))).toMatchObject({ status: 400, param: "purpose" });
		const expires_after = { anchor: "created_at", seconds: 60 } as const;
		expect(await refusalOf(openai.files.create({ purpose: "batch", file, expires_after }))).toMatchObject({ status: 400, param: "expires_after.seconds" });
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});

	test("a model that the key may not call: 403 before the file is kept", async () => {
		on.authority.keys.set(TEST_KEY, keyIdentity({ models: ["gpt-4o-mini"] }));
		expect(await refusalOf(upload(ok))).toMatchObject({ status: 403, code: "key.scope", param: "model" });
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});

	test.each([
		["no form", ["content-type", "application/json"], "{}", "content-type"],
		["no boundary", ["content-type", "multipart/form-data"], "{}", "content-type"],
		["a form that is none", ["content-type", "multipart/form-data; boundary=b"], "hello", "body"],
		["a form without a file", ["content-type", "multipart/form-data; boundary=b"], "--b--\r\n", "purpose"],
		["a compressed one", ["content-type", "multipart/form-data; boundary=b", "content-encoding", "gzip"], "--b--\r\n", "content-encoding"],
	])("%s: 400", async (_what, headers, body, param) => {
		const answer = await rawCall(on.url, { path: "/v1/files", headers: ["authorization", `Bearer ${TEST_KEY}`, ...headers], body });
		expectOpenAiError(answer, 400, param);
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});
});

describe("batches of files", () => {
	test("what is wrong with the creation is told at once, field by field", async () => {
		const metadata = { ["k".repeat(65)]: "x", long: "x".repeat(513), number: 7, nul: "a\u0000" };
		const body = {
			input_file_id: 7,
			endpoint: "/v1/completions",
			completion_window: "1h",
			metadata,
			output_expires_after: { anchor: "now", seconds: 1 },
			priority: 1,
		};
		const answer = await rawCall(on.url, { path: "/v1/batches", body: JSON.stringify(body) });
		const error = expectOpenAiError(answer, 400, "priority") as { readonly problems: readonly { readonly field: string }[] };
		expect(error.problems.map(({ field }) => field)).toEqual([
			"priority",
			"input_file_id",
			"endpoint",
			"completion_window",
			`metadata.${"k".repeat(65)}`,
			"metadata.long",
			"metadata.number",
			"metadata.nul",
			"output_expires_after.anchor",
			"output_expires_after.seconds",
		]);
	});

	test.each([
		["nothing", "", "input_file_id"],
		["no JSON", "hello", "body"],
		["a list", "[]", "body"],
	])("a body that is %s: 400", async (_what, body, param) => {
		expectOpenAiError(await rawCall(on.url, { path: "/v1/batches", body }), 400, param);
	});

	test("another team's file, an unknown one, one that has ended, and a file of results", async () => {
		const theirs = new OpenAI({ apiKey: OTHER_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
		const { id } = await theirs.files.create({ file: await toFile(Buffer.from(ok), "a.jsonl"), purpose: "batch" });
		const missing = { status: 404, code: "file.missing", param: "input_file_id" };
		expect(await refusalOf(create(id))).toMatchObject(missing);
		expect(await refusalOf(create(`file-${"A".repeat(24)}`))).toMatchObject(missing);
		expect(await refusalOf(create("file_of_openai"))).toMatchObject(missing);
		for (const ask of [() => openai.files.retrieve(id), () => openai.files.content(id), () => openai.files.delete(id)])
			expect(await refusalOf(ask())).toMatchObject({ status: 404 });
		expect((await openai.files.list()).data).toEqual([]);
		const own = await upload(ok);
		const record = on.stand.files.get(own.id)!;
		on.stand.files.set(own.id, { ...record, expiresAtMs: 1 });
		expect(await refusalOf(create(own.id))).toMatchObject(missing);
		on.stand.files.set(own.id, { ...record, purpose: "batch_output" });
		expect(await refusalOf(create(own.id))).toMatchObject({ status: 400, code: "request.invalid", param: "input_file_id" });
		expect(on.stand.batches.size).toBe(0);
	});

	test("a file of another endpoint", async () => {
		const { id } = await upload(ok);
		expect(await refusalOf(create(id, { endpoint: "/v1/responses" }))).toMatchObject({ status: 400, code: "request.invalid", param: "endpoint", line: 1 });
		expect(on.stand.batches.size).toBe(0);
	});

	test.each([
		["a field that is not known", { warp_speed: true }, 422, "request.unknown_field", "body.warp_speed"],
		["an answer of nobody", { messages: "hi" }, 400, "request.invalid", "body.messages"],
	])("%s is found when the batch is bounded, by its line", async (_what, body, status, code, param) => {
		const { id } = await upload(lines(ok, chatLine(2, { body })));
		expect(await refusalOf(create(id))).toMatchObject({ status, code, line: 2, param });
		expect(await kept(on.stand)).toMatchObject({ batches: 0, items: 0 });
		expect(on.stand.asks).toEqual([]);
	});

	test("an answer that the team did not receive is no request's to go on with", async () => {
		const body = { model: "gpt-4o", max_output_tokens: 9, input: "go on", previous_response_id: "resp_0123456789" };
		const { id } = await upload(lines(JSON.stringify({ custom_id: "a", method: "POST", url: "/v1/responses", body })));
		expect(await refusalOf(create(id, { endpoint: "/v1/responses" }))).toMatchObject({ status: 422, code: "request.unknown_reference", line: 1 });
		expect(on.stand.asks).toEqual([]);
	});

	test("models without a price, without one for batches, and not the key's", async () => {
		const unpriced = await upload(chatLine(1, { body: { model: "gpt-unpriced" } }));
		expect(await refusalOf(create(unpriced.id))).toMatchObject({ status: 422, code: "pricing.unknown_model", param: "model" });
		const realTime = await upload(chatLine(1, { body: { model: "gpt-real-time" } }));
		expect(await refusalOf(create(realTime.id))).toMatchObject({ status: 422, code: "pricing.unknown_tier", param: "model" });
		const { id } = await upload(ok);
		on.authority.keys.set(TEST_KEY, keyIdentity({ models: ["gpt-4o-mini"] }));
		expect(await refusalOf(create(id))).toMatchObject({ status: 403, code: "key.scope", param: "model" });
		on.authority.keys.set(TEST_KEY, keyIdentity({ endpoints: ["responses"] }));
		expect(await refusalOf(create(id))).toMatchObject({ status: 403, code: "key.scope" });
		expect(on.stand.batches.size).toBe(0);
		expect(on.stand.asks).toEqual([]);
	});

	test.each([
		["an Idempotency-Key", ["idempotency-key", "k"], "idempotency-key"],
		["an agent run", ["x-tollgate-run", "r"], "x-tollgate-run"],
	])("%s is no part of a batch: 400", async (_what, headers, param) => {
		const answer = await rawCall(on.url, { path: "/v1/batches", headers: [...JSON_HEADERS, ...headers], body: "{}" });
		expectOpenAiError(answer, 400, param);
	});

	test("a key whose every call belongs to a run makes no batch", async () => {
		const { id } = await upload(ok);
		on.authority.keys.set(TEST_KEY, keyIdentity({ requiresRun: true }));
		expect(await refusalOf(create(id))).toMatchObject({ status: 403, code: "key.scope" });
	});

	test("another team's batch, an unknown one and one of the other protocol: 404", async () => {
		const { id } = await create((await upload(ok)).id);
		on.stand.move(id, { teamId: "other" });
		const messages = await anthropic.messages.batches.create({ requests: [messageRequest(1)] });
		for (const batch of [id, messages.id, `batch_${"A".repeat(24)}`, "batch_of_openai"]) {
			expect(await refusalOf(openai.batches.retrieve(batch))).toMatchObject({ status: 404, code: "batch.missing" });
			expect(await refusalOf(openai.batches.cancel(batch))).toMatchObject({ status: 404, code: "batch.missing" });
			expect(await refusalOf(openai.batches.list({ after: batch }).then())).toMatchObject({ status: 404, param: "after" });
		}
	});

	test.each(["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "state=held", "after=a&after=b"])("GET /v1/batches?%s: refused", async (query) => {
		const answer = await rawCall(on.url, { method: "GET", path: `/v1/batches?${query}` });
		expect([400, 422]).toContain(answer.status);
		expect(JSON.parse(answer.body.toString()).error.param).toBe(query.split("=", 1)[0]);
	});
});

describe("message batches", () => {
	const post = (body: string, headers: readonly string[] = []) =>
		rawCall(on.url, { path: "/v1/messages/batches", headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01", ...headers], body });

	test.each([
		["a custom_id twice", [messageRequest(1), messageRequest(1)], "requests.1.custom_id"],
		["a custom_id that is none", [messageRequest(1, { request: { custom_id: "a b" } })], "requests.0.custom_id"],
		["mixed models", [messageRequest(1), messageRequest(2, { params: { model: "claude-other" } })], "requests.1.params.model"],
		["no max_tokens", [messageRequest(1, { params: { max_tokens: undefined } })], "requests.0.params.max_tokens"],
		["a stream", [messageRequest(1), messageRequest(2, { params: { stream: true } })], "requests.1.params.stream"],
		["a field that is unknown", [messageRequest(1, { request: { method: "POST" } })], "requests.0.method"],
	])("%s: 400 with its request and field", async (_what, requests, param) => {
		const told = await refusalOf(anthropic.messages.batches.create({ requests: requests as never }));
		expect(told).toMatchObject({ status: 400, code: "batch.line_invalid", param });
		expect(told.message).toContain(param);
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
		expect(on.stand.asks).toEqual([]);
	});

	test.each([
		["nothing", ""],
		["no JSON", "hello"],
		["no requests", "{}"],
		["an empty list", '{"requests":[]}'],
		["no list", '{"requests":{}}'],
		["another field", `{"requests":[${JSON.stringify(messageRequest(1))}],"model":"x"}`],
		["a body that ends early", `{"requests":[${JSON.stringify(messageRequest(1))}`],
		["text behind the body", `{"requests":[${JSON.stringify(messageRequest(1))}]} {}`],
		["a request that is no object", '{"requests":[7]}'],
	])("%s: 400 in Anthropic's shape", async (_what, body) => {
		const answer = await post(body);
		expectAnthropicError(answer, 400);
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});

	test("what cannot be bounded is found after the body, and neither a batch nor its requests are kept", async () => {
		const told = await refusalOf(
			anthropic.messages.batches.create({ requests: [messageRequest(1), messageRequest(2, { params: { warp_speed: 1 } })] as never }),
		);
		expect(told).toMatchObject({ status: 422, code: "request.unknown_field", param: "requests.1.params.warp_speed" });
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});

	test.each([
		["content-type", "text/plain"],
		["content-encoding", "gzip"],
		["anthropic-beta", "output-128k-2025-02-19"],
		["idempotency-key", "k"],
	])("%s: %s", async (name, value) => {
		const headers = name === "content-type" ? ["authorization", `Bearer ${TEST_KEY}`] : JSON_HEADERS;
		const answer = await rawCall(on.url, { path: "/v1/messages/batches", headers: [...headers, name, value], body: "{}" });
		expect(expectAnthropicError(answer, name === "anthropic-beta" ? 422 : 400)).toMatchObject({ param: name });
	});

	test("models and endpoints that are not the key's", async () => {
		on.authority.keys.set(TEST_KEY, keyIdentity({ endpoints: ["chat.completions"] }));
		expect(await refusalOf(anthropic.messages.batches.create({ requests: [messageRequest(1)] }))).toMatchObject({ status: 403, code: "key.scope" });
		on.authority.keys.set(TEST_KEY, keyIdentity({ models: ["claude-other"] }));
		expect(await refusalOf(anthropic.messages.batches.create({ requests: [messageRequest(1)] }))).toMatchObject({ status: 403, code: "key.scope" });
		expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
	});

	test("another team's batch and an unknown one: 404, on every route", async () => {
		const { id } = await anthropic.messages.batches.create({ requests: [messageRequest(1)] });
		on.stand.move(id, { teamId: "other" });
		const { batches } = anthropic.messages;
		for (const batch of [id, `msgbatch_${"A".repeat(24)}`]) {
			const asks = [() => batches.retrieve(batch), () => batches.cancel(batch), () => batches.delete(batch), () => batches.list({ after_id: batch }).then()];
			for (const ask of asks) expect(await refusalOf(ask())).toMatchObject({ status: 404, code: "batch.missing" });
			expectAnthropicError(await rawCall(on.url, { method: "GET", path: `/v1/messages/batches/${batch}/results` }), 404);
		}
	});

	test("results that are not kept any more: 404", async () => {
		const { id } = await anthropic.messages.batches.create({ requests: [messageRequest(1)] });
		await on.stand.end(id, { state: "completed", counts: { succeeded: 1 }, output: "{}\n" });
		const fileId = on.stand.batches.get(id)?.outputFileId ?? "";
		on.stand.files.delete(fileId);
		const answer = await rawCall(on.url, { method: "GET", path: `/v1/messages/batches/${id}/results` });
		expect(expectAnthropicError(answer, 404)).toMatchObject({ code: "file.missing" });
	});
});

test("Anthropic's own files are not served at the path of OpenAI's", async () => {
	const answer = await rawCall(on.url, { method: "GET", path: "/v1/files?beta=true", headers: [...JSON_HEADERS, "anthropic-version", "2023-06-01"] });
	expect(answer.status).toBe(404);
	expect(JSON.parse(answer.body.toString())).toMatchObject({ type: "error", error: { type: "not_found_error" } });
});

test("further uploads are refused with 503 while as many are worked on as may be, and places come back", async () => {
	const busy = await startBatchGateway({}, { busyMax: 1 });
	try {
		const slow = new OpenAI({ apiKey: TEST_KEY, baseURL: `${busy.url}/v1`, maxRetries: 0 });
		let finish: () => void = () => undefined;
		const finished = new Promise<void>((resolve) => {
			finish = resolve;
		});
		async function* endless() {
			yield Buffer.from(`${ok}\n`);
			await finished;
		}
		const open = slow.files.create({ purpose: "batch", file: endless() as never });
		await expect.poll(async () => (await refuse(slow))?.code).toBe("gateway.overloaded");
		finish();
		expect(await open).toMatchObject({ object: "file" });
		expect(await slow.files.create({ purpose: "batch", file: await toFile(Buffer.from(ok), "a.jsonl") })).toMatchObject({ object: "file" });
	} finally {
		await busy.close();
	}
	async function refuse(client: OpenAI): Promise<Told | undefined> {
		const file = await toFile(Buffer.from("hello"), "a.jsonl");
		return refusalOf(client.files.create({ purpose: "batch", file }));
	}
});

test("a policy engine is asked once for all of a batch, and what it denies is not held", async () => {
	const asked: unknown[] = [];
	const decide = (facts: unknown) => {
		asked.push(facts);
		return { kind: "denied", reasons: ["Not on a Friday."] } as const;
	};
	const decider = { isAsked: true, decide, close: async () => undefined };
	const decided = await startBatchGateway({ decisions: { decider, counters: { allowed: 0, denied: 0, undecided: 0, remembered: 0 } } });
	try {
		const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${decided.url}/v1`, maxRetries: 0 });
		const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
		const text = lines(chatLine(1), chatLine(2, { body: { tools } }), chatLine(3));
		const { id } = await client.files.create({ file: await toFile(Buffer.from(text), "a.jsonl"), purpose: "batch" });
		const told = await refusalOf(client.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" }));
		expect(told).toMatchObject({ status: 403, code: "policy.denied", message: expect.stringContaining("Not on a Friday.") });
		expect(asked).toEqual([
			expect.objectContaining({
				team: "demo",
				endpoint: "chat.completions",
				modelAsked: "gpt-4o",
				isStream: false,
				hasTools: true,
				claimed: {},
				batchItems: 3,
			}),
		]);
		expect(decided.stand.asks).toEqual([]);
		expect(decided.stand.batches.size).toBe(0);
	} finally {
		await decided.close();
	}
});

test("a cap of the team holds for every item of a batch", async () => {
	const { id } = await upload(chatLines(2));
	const caps = {
		byFeature: new Map(),
		others: { inputTokens: undefined, outputTokens: { value: 10, holder: "every call of the team", name: "cap" }, costNanoUsd: undefined },
	};
	on.authority.policy = { ...on.authority.policy, limits: { caps, rates: [] } as never };
	expect(await refusalOf(create(id))).toMatchObject({ status: 422, code: "limit.cap", line: 1 });
	expect(on.stand.batches.size).toBe(0);
});

function expectOpenAiError(answer: RawAnswer, status: number, param: string): unknown {
	expect(answer.status).toBe(status);
	const { error } = JSON.parse(answer.body.toString());
	expect(error).toMatchObject({ code: expect.any(String), message: expect.any(String), type: expect.any(String), param });
	expect(answer.headers["x-should-retry"]).toBe("false");
	return error;
}

function expectAnthropicError(answer: RawAnswer, status: number): unknown {
	expect(answer.status).toBe(status);
	const body = JSON.parse(answer.body.toString());
	expect(body).toMatchObject({ type: "error", error: { code: expect.any(String), message: expect.any(String), type: expect.any(String) } });
	expect(body.request_id).toBe(answer.headers["request-id"]);
	return body.error;
}
