import OpenAI from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { answerKey } from "#activities/batches/lines/deferred-blobs.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { Connection } from "#activities/database/connection.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { refusalOf } from "#test/support/batch-refusals.ts";
import { answered } from "#test/support/batch-stand.ts";
import { type CuttableProxy, openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { type BatchGateway, startBatchGateway } from "#test/support/gateway-batches.ts";

/** The routes of items that are handed in alone over the real store: what a caller is told is what stands in the rows. */

let stand: DeferredStand;
let proxy: CuttableProxy;
let sql: Connection;
let on: BatchGateway;
let openai: OpenAI;
let other: OpenAI;

const CHAT = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: "hello" }] };
type Told = { readonly id: string; readonly status: string; readonly held_nano_usd: string; readonly answer?: unknown };

beforeEach(async () => {
	stand = await DeferredStand.open();
	await stand.batches.ledger.sql("UPDATE tollgate.team SET policy = '{\"admissionWaitMs\": 0}'");
	const url = new URL(stand.batches.ledger.database.url);
	proxy = await openCuttableProxy(Number(url.port));
	url.hostname = "127.0.0.1";
	url.port = String(proxy.port);
	sql = new Connection({ url: url.href, applicationName: "test gateway items", plansOnce: true });
	const deferred = { store: createPostgresDeferredStore(sql), opaqueUserId: (_team: string, text: string) => text, lookEveryMs: 20 };
	on = await startBatchGateway({}, { deferred, wallClockMs: () => Date.now() });
	on.authority.policy = { ...on.authority.policy, admissionWaitMs: 0 };
	on.authority.keys.set("tg_other_team", keyIdentity({ teamId: "other", keyId: "key9" }));
	openai = new OpenAI({ apiKey: TEST_KEY, baseURL: `${on.url}/v1`, maxRetries: 0 });
	other = new OpenAI({ apiKey: "tg_other_team", baseURL: `${on.url}/v1`, maxRetries: 0 });
});
afterEach(async () => {
	await on.close();
	await sql.close();
	await proxy.close();
	await stand.close();
});

const handIn = (body: object = CHAT, headers: Record<string, string> = {}) => openai.post<Told>("/deferred/chat/completions", { body, headers });
const batchOf = async (id: string): Promise<string> => {
	const record = await stand.deferred.readDeferred("demo", id);
	if (record === undefined) throw new Error(`there is no item ${id}`);
	return record.batchId;
};
const findings = async () => {
	await stand.batches.ledger.fallSilent();
	return (await verifyLedger({ databaseUrl: stand.batches.ledger.database.url })).findings;
};

test("items of a team collect in one batch, each held with its own bound, shown and listed by their team alone", async () => {
	const [first, second] = [await handIn(CHAT, { "x-tollgate-deadline": "6h" }), await handIn({ ...CHAT, user: "alice" })];
	expect(await batchOf(first.id)).toBe(await batchOf(second.id));
	const held = (BigInt(first.held_nano_usd) + BigInt(second.held_nano_usd)).toString();
	expect(await stand.batches.window()).toEqual({ granted: held, leased: held });
	const rows = await stand.batches.ledger.sql("SELECT custom_id, attribution ->> 'claimed' AS claimed, body_blob_key FROM tollgate.batch_item ORDER BY n");
	expect(rows).toEqual([
		{ custom_id: first.id, claimed: null, body_blob_key: `demo/deferred/${first.id}/body` },
		{ custom_id: second.id, claimed: '{"user": "alice"}', body_blob_key: `demo/deferred/${second.id}/body` },
	]);
	expect(await openai.get<Told>(`/deferred/${first.id}`)).toEqual(first);
	const listed = await openai.get<{ readonly data: readonly Told[]; readonly has_more: boolean }>("/deferred?status=collecting&limit=1");
	expect([listed.data.map(({ id }) => id), listed.has_more]).toEqual([[second.id], true]);
	await stand.batches.ledger.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ('other', true)");
	await expect(other.get(`/deferred/${first.id}`)).rejects.toMatchObject({ status: 404, code: "deferred.missing" });
	await expect(other.delete(`/deferred/${first.id}`)).rejects.toMatchObject({ status: 404 });
	expect((await other.get<{ readonly data: unknown[] }>("/deferred")).data).toEqual([]);
	expect(await findings()).toEqual([]);
});

test("one that does not fit is refused with the numbers of the budget, stands among the refusals under the id it is told by, and leaves nothing", async () => {
	await stand.batches.budget({ dimension: "organization", limit: 1n });
	const refused = (await handIn().catch((thrown: unknown) => thrown)) as InstanceType<typeof OpenAI.APIError>;
	expect(refused).toMatchObject({ status: 402, code: "budget.exceeded", error: { limitNanoUsd: "1", leftNanoUsd: "1" } });
	const rows = await stand.batches.ledger.sql<{ request_id: string; code: string }>("SELECT request_id, code FROM tollgate.refusal");
	expect(rows).toEqual([{ request_id: refused.headers?.get("x-tollgate-request-id"), code: "budget.exceeded" }]);
	expect(await stand.batches.ledger.sql("SELECT 1 FROM tollgate.batch_item")).toEqual([]);
	expect(await on.stand.payloads()).toEqual([]);
	expect(await findings()).toEqual([]);
});

test("sixteen callers at once: each item once, whatever keys they share, and all of their bounds held", async () => {
	const keys = Array.from({ length: 48 }, (_, index) => ({ "idempotency-key": `k${index % 24}` }));
	const told: Told[] = [];
	const work = keys.values();
	await Promise.all(
		Array.from({ length: 16 }, async () => {
			for (const headers of work) told.push(await handIn(CHAT, headers));
		}),
	);
	expect(new Set(told.map(({ id }) => id)).size).toBe(24);
	const held = (24n * BigInt(told[0]?.held_nano_usd ?? "0")).toString();
	expect(await stand.batches.window()).toEqual({ granted: held, leased: held });
	expect(await refusalOf(handIn({ ...CHAT, max_tokens: 21 }, { "idempotency-key": "k0" }))).toMatchObject({ status: 422, code: "idempotency.mismatch" });
	expect(await findings()).toEqual([]);
});

test("an item that collects is cancelled at once and its bound is free; one that was answered is told to who waits", async () => {
	const [kept, gone] = [await handIn(), await handIn()];
	expect(await openai.delete<Told>(`/deferred/${gone.id}`)).toMatchObject({ status: "cancelled", held_nano_usd: "0", answer: null });
	expect(await stand.batches.window()).toEqual({ granted: kept.held_nano_usd, leased: kept.held_nano_usd });
	const waiting = openai.get<Told>(`/deferred/${kept.id}/wait?seconds=60`);
	const batchId = await stand.flushed(await batchOf(kept.id));
	expect(await openai.get<Told>(`/deferred/${kept.id}`)).toMatchObject({ status: "waiting" });
	await stand.batches.send(batchId, 1);
	await stand.batches.store.book(batchId, [answered(1)]);
	expect(await openai.get<Told>(`/deferred/${kept.id}`)).toMatchObject({ status: "running", answer: null });
	const answerBlobKey = answerKey("demo", kept.id);
	await on.stand.blobs.write(answerBlobKey, bytesOf('{"id": "a"}'));
	await stand.deferred.markAnswered(batchId, [{ n: 1, httpStatus: 200, answerBlobKey }]);
	expect(await waiting).toMatchObject({ status: "succeeded", held_nano_usd: "0", answer: { status_code: 200, body: { id: "a" } } });
});

test("while PostgreSQL is away it is 503 and nothing is accepted; the same key is accepted once when it is back", async () => {
	const key = { "idempotency-key": "order-17" };
	await proxy.cut();
	expect(await refusalOf(handIn(CHAT, key))).toMatchObject({ status: 503, code: "authority.unreachable" });
	expect(await refusalOf(handIn())).toMatchObject({ status: 503, code: "authority.unreachable" });
	expect(await stand.batches.ledger.sql("SELECT 1 FROM tollgate.batch_item")).toEqual([]);
	await proxy.restore();
	const told = [await handIn(CHAT, key), await handIn(CHAT, key)];
	expect(new Set(told.map(({ id }) => id)).size).toBe(1);
	expect(await stand.batches.window()).toEqual({ granted: told[0]?.held_nano_usd, leased: told[0]?.held_nano_usd });
});

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
	yield Buffer.from(text);
}
