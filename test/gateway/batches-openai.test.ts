import OpenAI, { toFile } from "openai";
import { beforeEach, describe, expect, test } from "vitest";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLine, chatLines, kept, NOTHING_KEPT, startBatchGateway } from "#test/support/gateway-batches.ts";
import { rawCall } from "#test/support/raw-call.ts";

/** Batch code as it is written for OpenAI's API, with its official client, unmodified. */

let on: BatchGateway;
let openai: OpenAI;

beforeEach(async () => {
	on = await startBatchGateway();
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	return () => on.close();
});

async function upload(text = chatLines(3)): Promise<OpenAI.FileObject> {
	return openai.files.create({ file: await toFile(Buffer.from(text), "requests.jsonl"), purpose: "batch" });
}

async function create(text?: string): Promise<OpenAI.Batch> {
	const { id } = await upload(text);
	return openai.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
}

describe("files", () => {
	test("a file comes back as it went in, byte for byte, with its record", async () => {
		const text = `${chatLine(1, { body: { messages: [{ role: "user", content: "é 𝒳 \r\n --boundary" }] } })}\n${chatLine(2)}`;
		const file = await upload(text);
		expect(file).toEqual({
			id: expect.stringMatching(/^file-[A-Za-z0-9]{24}$/),
			object: "file",
			bytes: Buffer.byteLength(text),
			created_at: expect.any(Number),
			expires_at: expect.any(Number),
			filename: "requests.jsonl",
			purpose: "batch",
			status: "processed",
			status_details: null,
		});
		expect((file.expires_at ?? 0) - file.created_at).toBeGreaterThan(29 * 86_400);
		expect(await openai.files.retrieve(file.id)).toEqual(file);
		expect(await (await openai.files.content(file.id)).text()).toBe(text);
		expect(on.stand.files.get(file.id)).toMatchObject({ teamId: "demo", keyId: "key1", lines: 2 });
	});

	test("a stream is uploaded without its length, its fields in any order, and says when it ends", async () => {
		async function* lines() {
			for (let n = 1; n <= 1_000; n += 1) yield Buffer.from(`${chatLine(n)}\n`);
		}
		const expires_after = { anchor: "created_at", seconds: 3_600 } as const;
		const { data, response } = await openai.files.create({ purpose: "batch", expires_after, file: lines() as never }).withResponse();
		expect(response.headers.get("x-tollgate-lines")).toBe("1000");
		expect((data.expires_at ?? 0) - data.created_at).toBeLessThanOrEqual(3_600);
	});

	test("files are listed newest first, page by page, of one team and one purpose", async () => {
		const ids: string[] = [];
		for (let count = 0; count < 5; count += 1) ids.unshift((await upload(chatLines(1))).id);
		const listed: string[] = [];
		for await (const file of openai.files.list({ limit: 2, purpose: "batch" })) listed.push(file.id);
		expect(listed).toEqual(ids);
		expect((await openai.files.list({ purpose: "batch_output" })).data).toEqual([]);
	});

	test("a file is deleted with its payload, unless a batch is at it", async () => {
		const { id } = await upload();
		const batch = await openai.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await expect(openai.files.delete(id)).rejects.toMatchObject({ status: 409, code: "file.in_use" });
		await on.stand.end(batch.id, { state: "cancelled", counts: { cancelled: 3 } });
		expect(await openai.files.delete(id)).toEqual({ id, object: "file", deleted: true });
		expect(await on.stand.payloads()).toEqual([]);
		await expect(openai.files.retrieve(id)).rejects.toMatchObject({ status: 404, code: "file.missing" });
	});
});

describe("batches", () => {
	test("a batch holds the most its requests can cost at batch prices, and looks as the provider's", async () => {
		const file = await upload();
		const metadata = { job: "nightly" };
		const { data: batch, response } = await openai.batches
			.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata })
			.withResponse();
		expect(batch).toEqual({
			id: expect.stringMatching(/^batch_[A-Za-z0-9]{24}$/),
			object: "batch",
			endpoint: "/v1/chat/completions",
			model: "gpt-4o",
			errors: null,
			input_file_id: file.id,
			completion_window: "24h",
			status: "validating",
			output_file_id: null,
			error_file_id: null,
			created_at: expect.any(Number),
			in_progress_at: null,
			expires_at: batch.created_at + 86_400,
			finalizing_at: null,
			completed_at: null,
			failed_at: null,
			expired_at: null,
			cancelling_at: null,
			cancelled_at: null,
			request_counts: { total: 3, completed: 0, failed: 0 },
			metadata,
		});
		const items = on.stand.items.get(batch.id) ?? [];
		expect(items.map(({ n, customId, tiers }) => [n, customId, tiers])).toEqual([1, 2, 3].map((n) => [n, `item-${n}`, ["batch"]]));
		const held = items.reduce((sum, { boundNanoUsd }) => sum + boundNanoUsd, 0n);
		expect(held).toBeGreaterThan(0n);
		// 20 output tokens at 5 USD a million, half of what a call pays.
		for (const { boundNanoUsd, boundInputTokens } of items) expect(boundNanoUsd).toBe(BigInt(boundInputTokens) * 1_250n + 20n * 5_000n);
		expect(response.headers.get("x-tollgate-held-nano-usd")).toBe(held.toString());
		expect(response.headers.get("x-tollgate-model")).toBe("gpt-4o");
		expect(on.stand.batches.get(batch.id)).toMatchObject({
			origin: "caller",
			teamId: "demo",
			deployment: "openai/gpt-4o",
			provider: "openai",
			attribution: { keyId: "key1", feature: null, userId: null },
			rules: { mayResubmit: false, mayRelane: false },
			priceVersion: 7,
		});
	});

	test("it is polled to its end, and its output is read", async () => {
		const { id } = await create();
		on.stand.move(id, { state: "running", runningSinceMs: 1_796_000_100_000 });
		expect(await openai.batches.retrieve(id)).toMatchObject({ status: "in_progress", in_progress_at: 1_796_000_100 });
		const output = `${JSON.stringify({ id: "batch_req_1", custom_id: "item-1", response: { status_code: 200, request_id: "r", body: {} }, error: null })}\n`;
		await on.stand.end(id, { state: "completed", counts: { succeeded: 2, errored: 1 }, output, errors: "{}\n" });
		const ended = await openai.batches.retrieve(id);
		expect(ended).toMatchObject({ status: "completed", completed_at: expect.any(Number), request_counts: { total: 3, completed: 2, failed: 1 } });
		const content = await openai.files.content(ended.output_file_id ?? "");
		expect(await content.text()).toBe(output);
		expect(await openai.files.retrieve(ended.error_file_id ?? "")).toMatchObject({ purpose: "batch_output", bytes: 3 });
	});

	test("it is cancelled once; what has ended is not", async () => {
		const { id } = await create();
		expect(await openai.batches.cancel(id)).toMatchObject({ id, status: "cancelling", cancelling_at: expect.any(Number) });
		expect(await openai.batches.cancel(id)).toMatchObject({ status: "cancelling" });
		await on.stand.end(id, { state: "cancelled", counts: { succeeded: 1, cancelled: 2 } });
		expect(await openai.batches.retrieve(id)).toMatchObject({ status: "cancelled", cancelled_at: expect.any(Number) });
		await expect(openai.batches.cancel(id)).rejects.toMatchObject({ status: 409, code: "batch.ended" });
	});

	test("batches are listed newest first, page by page, and none of another protocol or team", async () => {
		const { id: file } = await upload();
		const ids: string[] = [];
		for (let count = 0; count < 45; count += 1)
			ids.unshift((await openai.batches.create({ input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h" })).id);
		on.stand.move(ids[3]!, { teamId: "other" });
		on.stand.move(ids[40]!, { protocol: "anthropic" });
		on.stand.move(ids[41]!, { state: "collecting" });
		const listed: string[] = [];
		for await (const batch of openai.batches.list()) listed.push(batch.id);
		expect(listed).toEqual(ids.filter((_id, index) => ![3, 40, 41].includes(index)));
		expect((await openai.batches.list({ limit: 2 })).has_more).toBe(true);
	});

	test("one file makes as many batches as are asked for", async () => {
		const { id } = await upload();
		const make = () => openai.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		const [first, second] = await Promise.all([make(), make()]);
		expect(first.id).not.toBe(second.id);
		expect(on.stand.items.get(second.id)).toEqual(on.stand.items.get(first.id));
	});

	test("embeddings and responses are batched as well", async () => {
		const line = (url: string, body: unknown) => `${JSON.stringify({ custom_id: "a", method: "POST", url, body })}\n`;
		const embeddings = await upload(line("/v1/embeddings", { model: "text-embedding-3-small", input: ["one", "two"] }));
		const responses = await upload(line("/v1/responses", { model: "gpt-4o", max_output_tokens: 30, input: "hello" }));
		const made = [
			await openai.batches.create({ input_file_id: embeddings.id, endpoint: "/v1/embeddings", completion_window: "24h" }),
			await openai.batches.create({ input_file_id: responses.id, endpoint: "/v1/responses", completion_window: "24h" }),
		];
		expect(made.map(({ endpoint, model }) => [endpoint, model])).toEqual([
			["/v1/embeddings", "text-embedding-3-small"],
			["/v1/responses", "gpt-4o"],
		]);
		// What the provider limits of embeddings is their texts, not their requests.
		expect(made.map(({ id }) => on.stand.items.get(id)?.map(({ embeddingInputs }) => embeddingInputs))).toEqual([[2], [0]]);
	});
});

describe("money", () => {
	test("too little: 402 as for a call, found in the books by its id, nothing held and no batch kept", async () => {
		const file = await upload();
		on.stand.moneyNanoUsd = 1n;
		const retrying = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 3 });
		const error = await retrying.batches
			.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" })
			.catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(OpenAI.APIError);
		const refused = error as InstanceType<typeof OpenAI.APIError>;
		expect(refused).toMatchObject({ status: 402, code: "budget.exceeded", type: "budget_exceeded" });
		expect(refused.error).toMatchObject({ budget: "team demo, day", leftNanoUsd: "1", howToAsk: expect.any(String) });
		expect(refused.headers?.get("x-should-retry")).toBe("false");
		expect(on.stand.asks).toHaveLength(1);
		expect(refused.headers?.get("x-tollgate-request-id")).toBe(on.stand.asks[0]?.batchId);
		expect(await kept(on.stand)).toMatchObject({ files: 1, batches: 0, items: 0 });
		expect(on.stand.moneyNanoUsd).toBe(1n);
	});

	test("money that others hold is waited for, and taken as soon as it is back", async () => {
		const file = await upload();
		Object.assign(on.stand, { moneyNanoUsd: 0n, isHeldByOthers: true });
		const made = openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await expect.poll(() => on.stand.asks.length).toBeGreaterThan(2);
		on.stand.moneyNanoUsd = 1_000_000_000n;
		expect(await made).toMatchObject({ status: "validating" });
	});

	test("it is waited for as long as the team says, and then refused", async () => {
		on.authority.policy = { ...on.authority.policy, admissionWaitMs: 300 };
		const file = await upload();
		Object.assign(on.stand, { moneyNanoUsd: 0n, isHeldByOthers: true });
		const made = openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await expect(made).rejects.toMatchObject({ status: 402 });
		expect(on.stand.asks.map(({ waitIsOver }) => waitIsOver)).toEqual([...on.stand.asks.slice(1).map(() => false), true]);
		expect(on.stand.batches.size).toBe(0);
	});

	test("a database that is away is waited for, then 503 and nothing is kept", async () => {
		on.authority.policy = { ...on.authority.policy, admissionWaitMs: 100 };
		const file = await upload();
		on.stand.failing = "hold";
		const made = openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await expect(made).rejects.toMatchObject({ status: 503, code: "authority.unreachable" });
		expect(on.stand.batches.size).toBe(0);
		on.stand.failing = "createFile";
		await expect(upload()).rejects.toMatchObject({ status: 503 });
		on.stand.failing = undefined;
		expect((await on.stand.payloads()).length).toBe(1);
	});

	test("what cannot be undone at once is told to the log, and the refusal is the same", async () => {
		const file = await upload();
		Object.assign(on.stand, { moneyNanoUsd: 0n, failing: "abandon" });
		const made = openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
		await expect(made).rejects.toMatchObject({ status: 402 });
		expect(on.gateway.log.join("")).toContain("it is swept");
	});
});

test("whoever may assert books the batch for a user; whoever may not is refused", async () => {
	const file = await upload();
	const body = JSON.stringify({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
	const headers = ["authorization", `Bearer ${TEST_KEY}`, "content-type", "application/json", "x-tollgate-user", "ann"];
	const refused = await rawCall(on.url, { path: "/v1/batches", headers, body });
	expect([refused.status, JSON.parse(refused.body.toString()).error.code]).toEqual([403, "key.assertion_refused"]);
	const key = on.authority.keys.get(TEST_KEY)!;
	on.authority.keys.set(TEST_KEY, { ...key, mayAssert: ["user"] });
	const made = await rawCall(on.url, { path: "/v1/batches", headers, body });
	expect(made.status).toBe(200);
	expect(on.stand.batches.get(JSON.parse(made.body.toString()).id)?.attribution).toMatchObject({ userId: "ann", asserted: { user: "ann" } });
});

test("a batch takes the rules of its key, and no other", async () => {
	const ask = { input_file_id: (await upload()).id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
	const rulesOf = async () => on.stand.batches.get((await openai.batches.create(ask)).id)?.rules;
	expect(await rulesOf()).toEqual({ mayResubmit: false, mayRelane: false });
	const key = on.authority.keys.get(TEST_KEY)!;
	on.authority.keys.set(TEST_KEY, { ...key, resubmitsBatches: true });
	expect(await rulesOf()).toEqual({ mayResubmit: true, mayRelane: false });
	on.authority.keys.set(TEST_KEY, { ...key, relanesBatches: true });
	expect(await rulesOf()).toEqual({ mayResubmit: false, mayRelane: true });
	on.authority.keys.set(TEST_KEY, { ...key, resubmitsBatches: true, relanesBatches: true });
	expect(await rulesOf()).toEqual({ mayResubmit: true, mayRelane: true });
	on.authority.keys.set(TEST_KEY, { ...key, resubmitsBatches: false });
	expect(await rulesOf()).toEqual({ mayResubmit: false, mayRelane: false });
});

test("a batch that may go in real time holds what that costs, and is refused where only the price of batches is left", async () => {
	const ask = { input_file_id: (await upload()).id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
	const heldOf = async () => BigInt(on.stand.batches.get((await openai.batches.create(ask)).id)?.heldNanoUsd ?? 0);
	const withBatches = await heldOf();
	const key = on.authority.keys.get(TEST_KEY)!;
	on.authority.keys.set(TEST_KEY, { ...key, relanesBatches: true });
	const inRealTime = await heldOf();
	expect(inRealTime).toBeGreaterThan((withBatches * 19n) / 10n);
	on.stand.moneyNanoUsd = inRealTime - 1n;
	await expect(openai.batches.create(ask)).rejects.toMatchObject({ status: 402 });
	expect(on.stand.moneyNanoUsd).toBe(inRealTime - 1n);
});

test("nothing is kept where nothing was asked for", async () => {
	expect(await kept(on.stand)).toEqual(NOTHING_KEPT);
});
