import Anthropic from "@anthropic-ai/sdk";
import { beforeEach, expect, test } from "vitest";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, kept, messageRequest, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";

/** Batch code as it is written for Anthropic's API, with its official client, unmodified. */

let on: BatchGateway;
let anthropic: Anthropic;

beforeEach(async () => {
	on = await startBatchGateway();
	anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: on.url, maxRetries: 0 });
	return () => on.close();
});

const requests = (count: number) => Array.from({ length: count }, (_none, index) => messageRequest(index + 1));

test("a batch holds the most its requests can cost at batch prices, and looks as the provider's", async () => {
	const { data: batch, response } = await anthropic.messages.batches.create({ requests: requests(3) }).withResponse();
	expect(batch).toEqual({
		id: expect.stringMatching(/^msgbatch_[A-Za-z0-9]{24}$/),
		type: "message_batch",
		processing_status: "in_progress",
		request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
		created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
		expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
		ended_at: null,
		cancel_initiated_at: null,
		archived_at: null,
		results_url: null,
	});
	expect(Date.parse(batch.expires_at) - Date.parse(batch.created_at)).toBe(86_400_000);
	const items = on.stand.items.get(batch.id) ?? [];
	expect(items.map(({ n, customId, tiers }) => [n, customId, tiers])).toEqual([1, 2, 3].map((n) => [n, `item-${n}`, ["batch"]]));
	const held = items.reduce((sum, { boundNanoUsd }) => sum + boundNanoUsd, 0n);
	expect(response.headers.get("x-tollgate-held-nano-usd")).toBe(held.toString());
	expect(response.headers.get("request-id")).toBe(response.headers.get("x-tollgate-request-id"));
	const { inputFileId, protocol, endpoint, model } = on.stand.batches.get(batch.id)!;
	expect([protocol, endpoint, model]).toEqual(["anthropic", "messages", "claude-sonnet-5-5"]);
	const lines: string[] = [];
	for await (const chunk of on.stand.blobs.read(on.stand.files.get(inputFileId ?? "")!.blobKey)) lines.push(Buffer.from(chunk).toString());
	expect(
		lines
			.join("")
			.trimEnd()
			.split("\n")
			.map((line) => JSON.parse(line)),
	).toEqual(requests(3));
});

test("it is polled to its end, and its results are streamed", async () => {
	const { id } = await anthropic.messages.batches.create({ requests: requests(3) });
	await expect(anthropic.messages.batches.results(id)).rejects.toThrow("Has it finished processing? in_progress");
	const message = { id: "msg_1", type: "message", role: "assistant", content: [], model: "claude-sonnet-5-5", stop_reason: "end_turn", usage: {} };
	const output = [
		{ custom_id: "item-2", result: { type: "succeeded", message } },
		{ custom_id: "item-1", result: { type: "errored", error: { type: "error", error: { type: "invalid_request_error", message: "no" } } } },
		{ custom_id: "item-3", result: { type: "expired" } },
	];
	await on.stand.end(id, {
		state: "expired",
		counts: { succeeded: 1, errored: 1, expired: 1 },
		output: output.map((line) => `${JSON.stringify(line)}\n`).join(""),
	});
	const ended = await anthropic.messages.batches.retrieve(id);
	expect(ended).toMatchObject({
		processing_status: "ended",
		ended_at: expect.any(String),
		request_counts: { processing: 0, succeeded: 1, errored: 1, canceled: 0, expired: 1 },
		results_url: `${on.url}/v1/messages/batches/${id}/results`,
	});
	const results = [];
	for await (const result of await anthropic.messages.batches.results(id)) results.push(result);
	expect(results).toEqual(output);
});

test("behind a proxy that takes TLS off, the address of the results is the caller's own", async () => {
	const { id } = await anthropic.messages.batches.create({ requests: requests(1) });
	await on.stand.end(id, { state: "completed", counts: { succeeded: 1 }, output: "{}\n" });
	const { results_url } = await anthropic.messages.batches.retrieve(id, {}, { headers: { "x-forwarded-proto": "https" } });
	expect(results_url).toBe(`${on.url.replace("http:", "https:")}/v1/messages/batches/${id}/results`);
});

test("it is canceled once; what has ended is not", async () => {
	const { id } = await anthropic.messages.batches.create({ requests: requests(2) });
	expect(await anthropic.messages.batches.cancel(id)).toMatchObject({ processing_status: "canceling", cancel_initiated_at: expect.any(String) });
	await on.stand.end(id, { state: "cancelled", counts: { succeeded: 1, cancelled: 1 } });
	expect(await anthropic.messages.batches.retrieve(id)).toMatchObject({ processing_status: "ended", request_counts: { succeeded: 1, canceled: 1 } });
	const error = await anthropic.messages.batches.cancel(id).catch((thrown: unknown) => thrown);
	expect(error).toBeInstanceOf(Anthropic.ConflictError);
	expect(error).toMatchObject({ errorCode: "batch.ended" });
});

test("batches are listed newest first, forwards and backwards", async () => {
	const ids: string[] = [];
	for (let count = 0; count < 7; count += 1) ids.unshift((await anthropic.messages.batches.create({ requests: requests(1) })).id);
	on.stand.move(ids[5]!, { protocol: "openai" });
	const own = ids.filter((_id, index) => index !== 5);
	const listed: string[] = [];
	for await (const batch of anthropic.messages.batches.list({ limit: 2 })) listed.push(batch.id);
	expect(listed).toEqual(own);
	const page = await anthropic.messages.batches.list({ before_id: own[4]!, limit: 2 });
	expect([page.data.map(({ id }) => id), page.has_more]).toEqual([[own[2], own[3]], true]);
	const newest = await anthropic.messages.batches.list({ before_id: own[2]!, limit: 5 });
	expect([newest.data.map(({ id }) => id), newest.has_more]).toEqual([[own[0], own[1]], false]);
	await expect(anthropic.messages.batches.list({ before_id: own[0]!, after_id: own[1]! })).rejects.toMatchObject({ status: 400 });
});

test("one that has ended is deleted with its requests and results, and is gone from every answer", async () => {
	const { id } = await anthropic.messages.batches.create({ requests: requests(1) });
	await expect(anthropic.messages.batches.delete(id)).rejects.toMatchObject({ status: 409, errorCode: "batch.not_ended" });
	await on.stand.end(id, { state: "completed", counts: { succeeded: 1 }, output: "{}\n" });
	expect(await anthropic.messages.batches.delete(id)).toEqual({ id, type: "message_batch_deleted" });
	expect(await on.stand.payloads()).toEqual([]);
	expect(on.stand.files.size).toBe(0);
	await expect(anthropic.messages.batches.retrieve(id)).rejects.toMatchObject({ status: 404, errorCode: "batch.missing" });
	expect((await anthropic.messages.batches.list()).data).toEqual([]);
});

test("too little money: 402 in the protocol's shape, and neither a batch nor its requests are kept", async () => {
	on.stand.moneyNanoUsd = 1n;
	const error = await anthropic.messages.batches.create({ requests: requests(2) }).catch((thrown: unknown) => thrown);
	const refused = error as InstanceType<typeof Anthropic.APIError>;
	expect(refused.status).toBe(402);
	expect(refused.error).toMatchObject({ type: "error", error: { type: "budget_exceeded", code: "budget.exceeded", leftNanoUsd: "1" } });
	expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
});

test("a body written over several lines is taken as well, and so is the beta of older clients", async () => {
	const body = JSON.stringify({ requests: requests(2) }, null, 2).replaceAll("\n", "\r\n");
	const answer = await fetch(`${on.url}/v1/messages/batches?beta=true`, {
		method: "POST",
		headers: { "x-api-key": TEST_KEY, "content-type": "application/json", "anthropic-version": "2023-06-01", "anthropic-beta": "message-batches-2024-09-24" },
		body,
	});
	expect(answer.status).toBe(200);
	const { id } = (await answer.json()) as { id: string };
	expect(on.stand.items.get(id)?.map(({ customId }) => customId)).toEqual(["item-1", "item-2"]);
});
