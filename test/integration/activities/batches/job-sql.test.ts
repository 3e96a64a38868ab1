import { afterAll, beforeAll, expect, test } from "vitest";
import { createBatchAlerts } from "#activities/batches/job/batch-alerts.ts";
import { createQuotaAlerts } from "#activities/batches/job/quota-alerts.ts";
import { createUntoldBatches } from "#activities/batches/job/untold-batches.ts";
import type { BatchRecord, BatchStore } from "#activities/batches/port.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { readProviderLoad } from "#activities/batches/store/provider-load.ts";
import { Connection } from "#activities/database/connection.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

/** What the job of a batch asks PostgreSQL for beside its store. */
let database: TestDatabase;
let sql: Connection;
let store: BatchStore;

beforeAll(async () => {
	database = await createTestDatabase();
	sql = new Connection({ url: database.url, applicationName: "test-batch-jobs" });
	store = createPostgresBatchStore(sql);
	await sql.query(undefined, "INSERT INTO tollgate.team (id, is_unlimited) VALUES ('search', true)", []);
});
afterAll(async () => {
	await sql?.close();
	await database?.close();
});

const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };

/** A held batch of three items with ten input tokens each, all in one part. */
async function batchOf(letter: string, deployment = "openai/m-1"): Promise<BatchRecord> {
	const batchId = `batch_${letter.repeat(24)}`;
	await store.begin({
		...{ batchId, teamId: "search", protocol: "openai", endpoint: "chat.completions", model: "m-1", deployment, provider: "openai" },
		...{ origin: "caller", inputFileId: null, metadata: null, deadlineMs: null, priceVersion: 1, pricesAsOfMs: Date.now() },
		attribution: { keyId: "k1", feature: null, userId: null, environment: null, asserted: null, claimed: null },
		rules: { mayResubmit: false, mayRelane: false },
	});
	const bound = { boundNanoUsd: 100n, boundTokens: 20, boundInputTokens: 10, bytes: 50, tiers: ["batch" as const] };
	await store.addItems(
		batchId,
		[1, 2, 3].map((n) => ({ n, customId: `c-${n}`, ...bound })),
	);
	expect(await store.hold(batchId, { waitIsOver: true })).toMatchObject({ kind: "held" });
	await store.writePart({ batchId, part: 1, token: `t-${letter}`, items: 3, bytes: 1, ...nothing }, [1, 2, 3]);
	const batch = await store.read(batchId);
	if (batch === undefined) throw new Error("the batch is gone");
	return batch;
}

test("the load of an account: what was submitted within the hour, and the tokens that wait there, those of the part apart", async () => {
	const [first, second, other] = [await batchOf("a"), await batchOf("b"), await batchOf("c", "openai/m-2")];
	const load = (countsTokens = true) => readProviderLoad(sql, { batch: second, part: 1, countsTokens });
	expect(await load()).toMatchObject({ submittedAtMs: [], waitingTokens: 0, partTokens: 30 });
	for (const batch of [first, other]) await store.movePart({ batchId: batch.batchId, part: 1 }, "submitting", {});
	const { nowMs, submittedAtMs, waitingTokens } = await load();
	expect(submittedAtMs).toHaveLength(2);
	for (const atMs of submittedAtMs) expect(Math.abs(nowMs - atMs)).toBeLessThan(60_000);
	// The limit of tokens is one of each model.
	expect(waitingTokens).toBe(30);
	expect(await load(false)).toMatchObject({ waitingTokens: 0, partTokens: 0 });
	expect(await readProviderLoad(sql, { batch: { ...second, deployment: "azure/m-1" }, part: 1, countsTokens: true })).toMatchObject({ submittedAtMs: [] });
});

test("one process tells, and what is due is what nobody took up", async () => {
	const untold = createUntoldBatches(sql, store);
	expect(await untold.tryLock()).toBe(true);
	const rival = new Connection({ url: database.url, applicationName: "test-rival" });
	expect(await createUntoldBatches(rival, store).tryLock()).toBe(false);
	await rival.close();
	const [oldest] = await untold.due(10);
	expect(oldest?.state).toBe("held");
	if (oldest === undefined) throw new Error("none is due");
	await store.move(oldest.batchId, "running", {});
	expect((await untold.due(10)).map(({ batchId }) => batchId)).not.toContain(oldest.batchId);
	await store.askCancel(oldest.batchId, "ann");
	expect((await untold.due(10)).map(({ batchId }) => batchId)).toContain(oldest.batchId);
});

test("that an account has no money fires once for a batch, ends when a part is taken, and may begin anew", async () => {
	const tell = createQuotaAlerts(sql);
	const batch = { batchId: `batch_${"b".repeat(24)}`, teamId: "search" };
	const refused = { account: "openai", part: 1, message: "no credit left" };
	const others = { ...batch, batchId: `batch_${"c".repeat(24)}` };
	await tell(batch, null);
	for (const given of [refused, { ...refused, part: 2 }]) await tell(batch, given);
	await Promise.all([tell(others, refused), tell(others, refused)]);
	for (let time = 0; time < 2; time++) await tell(batch, null);
	await tell(batch, refused);
	const rows = await sql.query<{ subject: string; is_firing: boolean; is_over: boolean; account: string }>(
		undefined,
		"SELECT subject, is_firing, resolved_at IS NOT NULL AS is_over, detail ->> 'account' AS account FROM tollgate.alert WHERE kind = 'provider.quota' ORDER BY seq",
		[],
	);
	const [ours, theirs] = [batch, others].map(({ batchId }) => ({ subject: `batch/${batchId}`, account: "openai" }));
	expect(rows).toEqual([
		{ ...ours, is_firing: true, is_over: true },
		{ ...theirs, is_firing: true, is_over: false },
		{ ...ours, is_firing: false, is_over: false },
		{ ...ours, is_firing: true, is_over: false },
	]);
});

test("an alert of a batch is made once", async () => {
	const raise = createBatchAlerts(sql);
	const batch = { batchId: `batch_${"a".repeat(24)}`, teamId: "search" };
	for (let time = 0; time < 2; time++) await raise({ kind: "batch.unresolved", batch, of: "1", detail: { items: 3 } });
	await raise({ kind: "batch.unresolved", batch, of: "2", detail: { items: 1 } });
	const rows = await sql.query<{ kind: string; subject: string; items: string }>(
		undefined,
		"SELECT kind, subject, detail ->> 'items' AS items FROM tollgate.alert WHERE kind = 'batch.unresolved' ORDER BY seq",
		[],
	);
	expect(rows).toEqual([
		{ kind: "batch.unresolved", subject: `batch/${batch.batchId}`, items: "3" },
		{ kind: "batch.unresolved", subject: `batch/${batch.batchId}`, items: "1" },
	]);
});
