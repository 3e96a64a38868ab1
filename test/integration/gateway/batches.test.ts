import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { BatchStand } from "#test/support/batch-stand.ts";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, chatLines, messageRequest, startBatchGateway } from "#test/support/gateway-batches.ts";

/** The routes of batches over the real store: what a caller is told is what stands in the rows. */

let stand: BatchStand;
let on: BatchGateway;
let openai: OpenAI;
let anthropic: Anthropic;

beforeEach(async () => {
	stand = await BatchStand.open();
	await stand.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
	on = await startBatchGateway({}, { store: stand.store });
	on.authority.policy = { ...on.authority.policy, admissionWaitMs: 0 };
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	anthropic = new Anthropic({ apiKey: TEST_KEY, baseURL: on.url, maxRetries: 0 });
});
afterEach(async () => {
	await on.close();
	await stand.close();
});

const count = async (table: "batch" | "batch_item" | "batch_file" | "refusal"): Promise<number> =>
	Number((await stand.ledger.sql<{ rows: string }>(`SELECT count(*)::text AS rows FROM tollgate.${table}`))[0]?.rows);

async function upload(lines = 3): Promise<string> {
	return (await openai.files.create({ file: await toFile(Buffer.from(chatLines(lines)), "a.jsonl"), purpose: "batch" })).id;
}

const create = (input_file_id: string) => openai.batches.create({ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" });

test("a batch is held in the windows of its team, shown, listed and asked to end", async () => {
	const file = await upload();
	const { data: batch, response } = await openai.batches
		.create({
			input_file_id: file,
			endpoint: "/v1/chat/completions",
			completion_window: "24h",
			metadata: { job: "nightly" },
			output_expires_after: { anchor: "created_at", seconds: 7_200 },
		})
		.withResponse();
	expect(await openai.batches.retrieve(batch.id)).toEqual(batch);
	expect((await stand.lease(batch.id))?.pending).toBe(response.headers.get("x-tollgate-held-nano-usd"));
	expect(await stand.store.read(batch.id)).toMatchObject({ state: "held", items: 3, pricedModel: "gpt-4o", outputKeptMs: 7_200_000, inputFileId: file });
	const other = await create(file);
	expect((await openai.batches.list({ limit: 1 })).data.map(({ id }) => id)).toEqual([other.id]);
	expect((await openai.batches.list({ limit: 1, after: other.id })).data).toEqual([batch]);
	expect(await openai.batches.cancel(batch.id)).toMatchObject({ status: "cancelling", cancelling_at: expect.any(Number) });
	await expect(openai.files.delete(file)).rejects.toMatchObject({ status: 409, code: "file.in_use" });
	expect((await openai.files.list()).data.map(({ id }) => id)).toEqual([file]);
	expect(await count("batch_item")).toBe(6);
});

test("a batch that does not fit is refused with the numbers of the budget, stands among the refusals under the id it is told by, and leaves nothing", async () => {
	await stand.budget({ dimension: "organization", limit: 1n });
	const file = await upload();
	const error = await create(file).catch((thrown: unknown) => thrown);
	const refused = error as InstanceType<typeof OpenAI.APIError>;
	expect(refused).toMatchObject({ status: 402, code: "budget.exceeded", error: { limitNanoUsd: "1", leftNanoUsd: "1" } });
	const rows = await stand.ledger.sql<{ request_id: string; code: string }>("SELECT request_id, code FROM tollgate.refusal");
	expect(rows).toEqual([{ request_id: refused.headers?.get("x-tollgate-request-id"), code: "budget.exceeded" }]);
	expect([await count("batch"), await count("batch_item")]).toEqual([0, 0]);
	expect((await stand.window())?.granted).toBe("0");
	await expect(anthropic.messages.batches.create({ requests: [messageRequest(1)] })).rejects.toMatchObject({ status: 402 });
	expect([await count("batch"), await count("batch_file")]).toEqual([0, 1]);
	await stand.ledger.fallSilent();
	expect((await verifyLedger({ databaseUrl: stand.ledger.database.url })).findings).toEqual([]);
});

test("a message batch that has ended is deleted for its caller, and stays in the books", async () => {
	const { id } = await anthropic.messages.batches.create({ requests: [messageRequest(1), messageRequest(2)] });
	expect((await anthropic.messages.batches.list()).data.map((batch) => batch.id)).toEqual([id]);
	await anthropic.messages.batches.cancel(id);
	await stand.send(id, 1);
	await stand.store.move(id, "running", {});
	await stand.store.releaseItems({ batchId: id, part: 1 }, "cancelled");
	await stand.store.closeHold(id);
	await stand.store.move(id, "cancelling", {});
	await stand.store.move(id, "finalizing", {});
	await stand.store.move(id, "cancelled", {});
	expect(await anthropic.messages.batches.retrieve(id)).toMatchObject({ processing_status: "ended", request_counts: { canceled: 2, processing: 0 } });
	expect(await anthropic.messages.batches.delete(id)).toMatchObject({ id });
	await expect(anthropic.messages.batches.retrieve(id)).rejects.toMatchObject({ status: 404 });
	expect((await anthropic.messages.batches.list()).data).toEqual([]);
	expect([await count("batch"), await count("batch_file")]).toEqual([1, 0]);
});
