import { afterEach, beforeEach, expect, test } from "vitest";
import { answerKey } from "#activities/batches/lines/deferred-blobs.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { Connection } from "#activities/database/connection.ts";
import { CostControl, type ItemToSubmit, readRefusal } from "#clients/index.ts";
import { answered } from "#test/support/batch-stand.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, startBatchGateway } from "#test/support/gateway-batches.ts";

/** The client with the real routes over the real store: what it was told is what stands in the rows. */

let stand: DeferredStand;
let sql: Connection;
let on: BatchGateway;
let costControl: CostControl;

beforeEach(async () => {
	stand = await DeferredStand.open();
	await stand.batches.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
	sql = new Connection({ url: stand.batches.ledger.database.url, applicationName: "test client items", plansOnce: true });
	const deferred = { store: createPostgresDeferredStore(sql), opaqueUserId: (_team: string, text: string) => text, lookEveryMs: 20 };
	on = await startBatchGateway({}, { deferred, wallClockMs: () => Date.now() });
	on.authority.policy = { ...on.authority.policy, admissionWaitMs: 0 };
	costControl = new CostControl({ baseUrl: on.url, key: TEST_KEY });
});
afterEach(async () => {
	await on.close();
	await sql.close();
	await stand.close();
});

const items = (count: number): ItemToSubmit[] =>
	Array.from({ length: count }, (_, n) => ({
		id: `row ${n}`,
		endpoint: "chat/completions",
		body: { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: `number ${n}` }] },
	}));
const rows = () => stand.batches.ledger.sql<{ custom_id: string }>("SELECT custom_id FROM tollgate.batch_item ORDER BY n");

test("handed in again after a crash each item stands once, listed and held once; cancel frees what is held", async () => {
	const before = await costControl.batch.submit({ items: items(12), deadline: "6h" });
	const held = (await stand.batches.window())?.leased;
	const batch = await new CostControl({ baseUrl: on.url, key: TEST_KEY }).batch.submit({ items: items(12), deadline: new Date(Date.now() + 3_600_000) });
	expect(batch.ids).toEqual(before.ids);
	expect((await rows()).map(({ custom_id }) => custom_id).sort()).toEqual([...batch.ids.values()].sort());
	expect((await stand.batches.window())?.leased).toBe(held);
	await batch.cancel();
	await batch.cancel();
	expect(await stand.batches.window()).toMatchObject({ leased: "0" });
	// Twelve are found through the list.
	const ended = { status: "cancelled", statusCode: null, body: null, costNanoUsd: "0", isLate: false };
	expect(await batch.wait()).toEqual([...batch.ids].map(([id, deferredId]) => ({ id, deferredId, lane: null, ...ended })));
});

test("what the budget and the gateway refuse loses none of the others, and says why", async () => {
	await stand.batches.budget({ dimension: "organization", limit: 20_000_000n });
	const [first, second, third] = items(3) as [ItemToSubmit, ItemToSubmit, ItemToSubmit];
	const mistaken: ItemToSubmit = { ...first, id: "streamed", body: { ...first.body, stream: true } };
	const dear: ItemToSubmit = { ...second, id: "dear", body: { ...second.body, max_tokens: 16_000 } };
	const batch = await costControl.batch.submit({ items: [first, mistaken, second, dear, third], deadline: "6h" });
	expect([...batch.ids.keys()]).toEqual(["row 0", "row 1", "row 2"]);
	expect(batch.refused).toMatchObject([
		{ id: "streamed", index: 1, error: { code: "request.invalid", details: { field: "stream", httpStatus: 400 } } },
		{ id: "dear", index: 3, error: { code: "budget.exceeded" } },
	]);
	expect(readRefusal(batch.refused[1]?.error)).toMatchObject({ code: "budget.exceeded", limitNanoUsd: "20000000" });
	const other = [{ ...first, body: second.body }];
	expect((await costControl.batch.submit({ items: other })).refused).toMatchObject([{ id: "row 0", error: { code: "idempotency.mismatch" } }]);
	await expect(costControl.batch.submit({ items: items(20), deadline: "soon" })).rejects.toMatchObject({ code: "deferred.deadline" });
	expect(await rows()).toHaveLength(3);
});

test("an answer comes as the provider gave it, to whoever waits and to another process that has the ids", async () => {
	const batch = await costControl.batch.submit({ items: items(1), deadline: "6h" });
	const waiting = batch.wait();
	const [deferredId = ""] = batch.ids.values();
	const batchId = await stand.flushed((await stand.deferred.readDeferred("demo", deferredId))?.batchId ?? "");
	await stand.batches.send(batchId, 1);
	await stand.batches.store.book(batchId, [answered(1)]);
	const answerBlobKey = answerKey("demo", deferredId);
	await on.stand.blobs.write(answerBlobKey, bytesOf('{"id": "a", "choices": []}'));
	await stand.deferred.markAnswered(batchId, [{ n: 1, httpStatus: 200, answerBlobKey }]);
	const results = await waiting;
	expect(results).toMatchObject([{ id: "row 0", deferredId, status: "succeeded", statusCode: 200, lane: "batch", body: { id: "a", choices: [] } }]);
	expect(results[0]?.costNanoUsd).toBe((await stand.deferred.readDeferred("demo", deferredId))?.costNanoUsd);
	expect(await costControl.batch.resume(Object.fromEntries(batch.ids)).wait()).toEqual(results);
});

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
	yield Buffer.from(text);
}
