import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { countSpend } from "#activities/spend/count-spend.ts";
import { readSpend } from "#activities/spend/read-spend.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { SPEND_DIMENSIONS } from "#domain/spend/dimensions.ts";
import { createRandom } from "#test/faults/random.ts";
import { openTestPool } from "#test/support/pool.ts";
import { bookAtRandom, kindsOfEntries, spendOfEntries } from "#test/support/spend.ts";
import { COST_NANO_USD, TestLedger } from "#test/support/test-ledger.ts";
import { until } from "#test/support/until.ts";

/** Sums of spend beside the ledger (migrations/0032): whatever is booked, in whatever order it is counted, they are the sums of the entries. */

let ledger: TestLedger;
beforeEach(async () => {
	ledger = await TestLedger.open();
});
afterEach(() => ledger.close());

const differences = async () => {
	await ledger.fallSilent();
	const { findings } = await verifyLedger({ databaseUrl: ledger.database.url });
	return findings.filter(({ row }) => row.startsWith("spend_")).map(({ row }) => row.split(" ")[0]);
};

test.each([1, 2, 3])("a random ledger, counted in pieces of any size between its bookings (seed %i)", async (seed) => {
	await bookAtRandom(ledger, createRandom(seed));
	for (const by of SPEND_DIMENSIONS) expect((await readSpend(ledger.client, { by: [by] })).rows, by).toEqual(await spendOfEntries(ledger, { by: [by] }));
	const kinds =
		await ledger.sql(`SELECT task_kind AS "taskKind", sum(calls)::text AS calls, sum(amount_nano_usd)::text AS "costNanoUsd", sum(cached_input_tokens)::text AS "cachedInputTokens"
		FROM tollgate.spend_task_day GROUP BY 1 ORDER BY 1`);
	expect(kinds).toEqual(await kindsOfEntries(ledger));
	expect(await differences()).toEqual([]);
});

test("what stood unresolved is not any more in the hour it was booked, whichever of both is counted first", async () => {
	await ledger.settle({ n: 1, outcome: "unresolved", reserved: 500n });
	await ledger.sql("SELECT tollgate.adjust_attempt('g1-1-1', 200, 150, 'test', 'ada')");
	await ledger.sql("UPDATE tollgate.spend_counted SET chunk_seq = 0");
	await ledger.sql("DELETE FROM tollgate.spend_looked");
	await ledger.sql("INSERT INTO tollgate.spend_counted SELECT 'g1', 1, 1"); // as if it were
	await countSpend(ledger.client);
	await ledger.sql("DELETE FROM tollgate.spend_counted WHERE gateway_id = 'g1'");
	await ledger.sql("DELETE FROM tollgate.spend_looked");
	expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 1, costNanoUsd: "200", unresolvedNanoUsd: "0" }]);
	expect(await differences()).toEqual([]);
});

test("money of a lost gateway is spent without a call, unresolved until it is reduced; what was found is resolved from the start", async () => {
	await ledger.register();
	await ledger.grant(500n, 2);
	await ledger.sql("SELECT tollgate.lump_epoch('g1', 2, 'lost')");
	const team = async () => (await readSpend(ledger.client, { by: ["team"] })).rows;
	expect(await team()).toMatchObject([{ calls: 0, costNanoUsd: "500", unresolvedNanoUsd: "500" }]);
	await ledger.sql("SELECT tollgate.reduce_lump('lump/g1/2/demo', 300, 'test', 'ada')");
	expect(await team()).toMatchObject([{ calls: 0, costNanoUsd: "300", unresolvedNanoUsd: "0" }]);
	await ledger.sql("SELECT tollgate.post_found_calls('g1', 2, 400, ARRAY['g1-2-9'], 'test', 'ada', 1000)");
	const rows = await team();
	expect([rows.map(({ unresolvedNanoUsd }) => unresolvedNanoUsd), rows.reduce((sum, { costNanoUsd }) => sum + BigInt(costNanoUsd), 0n)]).toEqual([
		["0", "0"],
		400n,
	]);
	expect(await differences()).toEqual([]);
});

describe("what is looked at", () => {
	const looked = async () =>
		(
			await ledger.sql<{ at: string; next: string }>(
				"SELECT written_by::text AS at, pg_snapshot_xmax(pg_current_snapshot())::text AS next FROM tollgate.spend_looked",
			)
		)[0];

	/** Chunks without entries, each the first of a chain. */
	const addChains = (name: string, count: number) =>
		ledger.sql(
			"INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) SELECT $1 || n, 1, 1, 0, '', '' FROM generate_series(1, $2) n",
			[name, count],
		);

	test("is what came since the last count that left nothing, however many chains there are", async () => {
		await addChains("batch", 2_000);
		await countSpend(ledger.client);
		await ledger.settle({ n: 1 });
		await ledger.sql("SET enable_seqscan = off");
		const [explained] = await ledger.sql<{ "QUERY PLAN": readonly object[] }>("EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM tollgate.spend_due(1)");
		const rows = [...JSON.stringify(explained).matchAll(/"Relation Name":"chunk".*?"Actual Rows":([\d.]+)/g)].map(([, count]) => Number(count));
		expect(rows.length).toBeGreaterThan(0);
		for (const count of rows) expect(count).toBeLessThan(10);
		expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 1 }]);
	});

	test("holds a chunk that was written before others which are counted, and committed after them", async () => {
		await ledger.settle({ n: 1 });
		await countSpend(ledger.client);
		const other = openTestPool(ledger.database.url);
		await ledger.sql("BEGIN");
		await ledger.settle({ n: 2 });
		await other.pool.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('other', 1, 1, 0, '', '')");
		expect(await countSpend(other.pool)).toEqual({ chunks: 1, isComplete: true });
		await ledger.sql("COMMIT");
		await other.close();
		expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 2 }]);
		expect(await differences()).toEqual([]);
	});

	test("is left as it was by a count that leaves something", async () => {
		await ledger.settle({ n: 1 });
		await countSpend(ledger.client);
		const before = await looked();
		await addChains("batch", 3);
		await ledger.sql("SELECT tollgate.count_spend(1)");
		expect((await looked())?.at).toBe(before?.at);
		expect(await countSpend(ledger.client)).toEqual({ chunks: 2, isComplete: true });
		expect(BigInt((await looked())?.at ?? 0)).toBeGreaterThan(BigInt(before?.at ?? 0));
	});

	test("is everything in a database that was restored into a cluster with fewer transactions, until it was counted once", async () => {
		await ledger.settle({ n: 1 });
		await countSpend(ledger.client);
		await ledger.sql("UPDATE tollgate.chunk SET written_by = '900000000000'");
		await ledger.sql("UPDATE tollgate.spend_looked SET written_by = '900000000001'");
		await ledger.settle({ n: 2 });
		expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 2 }]);
		const after = await looked();
		expect(BigInt(after?.at ?? 0)).toBeLessThanOrEqual(BigInt(after?.next ?? 0));
		expect(await ledger.sql("SELECT FROM tollgate.chunk WHERE written_by > pg_snapshot_xmax(pg_current_snapshot())")).toEqual([]);
		await ledger.settle({ n: 3 });
		expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 3 }]);
		expect(await differences()).toEqual([]);
	});

	test("never leaves a chunk behind unseen: verify tells of it", async () => {
		await ledger.settle({ n: 1 });
		await countSpend(ledger.client);
		await ledger.settle({ n: 2 });
		await ledger.sql("UPDATE tollgate.chunk SET written_by = '1'");
		expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 1 }]);
		expect(await differences()).toEqual(["spend_counted"]);
	});
});

test("counted in two places at once, each chunk counts once", async () => {
	await ledger.settle({ n: 1 });
	await countSpend(ledger.client);
	await ledger.settle({ n: 2 });
	const [first, second] = [openTestPool(ledger.database.url), openTestPool(ledger.database.url)];
	const counting = await first.pool.connect();
	await counting.query("BEGIN; SELECT tollgate.count_spend(1)");
	const behind = countSpend(second.pool);
	await until(
		"the second to wait",
		async () => (await ledger.sql("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).length === 1,
	);
	await counting.query("COMMIT");
	expect(await behind).toEqual({ chunks: 0, isComplete: true });
	counting.release();
	await Promise.all([first.close(), second.close()]);
	expect((await readSpend(ledger.client, { by: ["team"] })).rows).toMatchObject([{ calls: 2, costNanoUsd: (2n * COST_NANO_USD).toString() }]);
});

test("while another process counts for long, spend says that it is not complete", async () => {
	await ledger.settle({ n: 1 });
	const other = openTestPool(ledger.database.url);
	const counting = await other.pool.connect();
	await counting.query("BEGIN; SELECT tollgate.count_spend(1)");
	await ledger.sql("SET lock_timeout = 50");
	expect(await readSpend(ledger.client, { by: ["team"] })).toEqual({ rows: [], isComplete: false });
	await counting.query("COMMIT");
	counting.release();
	await other.close();
	expect(await readSpend(ledger.client, { by: ["team"] })).toMatchObject({ rows: [{ calls: 1 }], isComplete: true });
});

describe("verify finds", () => {
	beforeEach(async () => {
		await ledger.settle({ n: 1 }, { n: 2 });
		await ledger.settle({ n: 3, outcome: "unresolved", reserved: 700n });
		await countSpend(ledger.client);
		await ledger.settle({ n: 4 });
	});

	test("nothing in what is counted, and asks nothing of what is not", async () => {
		expect(await differences()).toEqual([]);
	});

	const FIGURES = ["calls", "input_tokens", "output_tokens", "amount_nano_usd"];
	const CHANGED = [...FIGURES, "unresolved_nano_usd"];
	test.each([
		["spend_hour", CHANGED],
		["spend_utc_day", CHANGED],
		["spend_user_day", CHANGED],
		["spend_utc_month", CHANGED],
		["spend_detail_hour", CHANGED],
		["spend_detail_month", CHANGED],
		["spend_task_day", [...FIGURES, "cached_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "reasoning_tokens"]],
	])("any figure of %s that was changed, and a row that is gone", async (table, changed) => {
		for (const column of changed) {
			await ledger.sql(`UPDATE tollgate.${table} SET ${column} = ${column} + 1`);
			expect(await differences(), column).toContain(table);
			await ledger.sql(`UPDATE tollgate.${table} SET ${column} = ${column} - 1`);
		}
		expect(await differences()).toEqual([]);
		await ledger.sql(`DELETE FROM tollgate.${table}`);
		expect(await differences()).toContain(table);
	});

	test("a slice that was renamed, and a chunk that was called counted", async () => {
		await ledger.sql("UPDATE tollgate.spend_slice SET feature = 'other' WHERE dimension = ''");
		expect(await differences()).toEqual(["spend_detail_hour", "spend_detail_hour", "spend_utc_day", "spend_utc_day", "spend_task_day", "spend_task_day"]);
		await ledger.sql("UPDATE tollgate.spend_slice SET feature = '' WHERE dimension = ''");
		await ledger.sql("UPDATE tollgate.spend_slice SET feature = 'other' WHERE dimension = 'feature'");
		expect(await differences()).toEqual(["spend_utc_day", "spend_utc_day"]);
		await ledger.sql("UPDATE tollgate.spend_slice SET feature = ''");
		await ledger.sql("UPDATE tollgate.spend_counted SET chunk_seq = chunk_seq + 1");
		expect(await differences()).toEqual(["spend_detail_hour", "spend_task_day"]);
	});
});
