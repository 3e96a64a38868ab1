import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import { expectOpenAiError, refusalOf } from "#test/support/batch-refusals.ts";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLine, kept, messageRequest, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";
import { JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";

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
