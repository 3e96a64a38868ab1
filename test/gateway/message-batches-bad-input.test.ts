import Anthropic from "@anthropic-ai/sdk";
import { beforeEach, describe, expect, test } from "vitest";
import { expectAnthropicError, refusalOf } from "#test/support/batch-refusals.ts";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, kept, messageRequest, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";
import { JSON_HEADERS, rawCall } from "#test/support/raw-call.ts";

/** Whatever is wrong with a batch of messages is told by its request and field in Anthropic's shape; and nothing of it is kept. */

let on: BatchGateway;
let anthropic: Anthropic;

beforeEach(async () => {
	on = await startBatchGateway();
	anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: on.url, maxRetries: 0 });
	return () => on.close();
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
