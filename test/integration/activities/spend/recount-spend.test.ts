import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { countSpend } from "#activities/spend/count-spend.ts";
import { recountSpend, requireRecountable } from "#activities/spend/recount-spend.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { createRandom } from "#test/faults/random.ts";
import { openTestPool } from "#test/support/pool.ts";
import { bookAtRandom } from "#test/support/spend.ts";
import { TestLedger } from "#test/support/test-ledger.ts";
import { until } from "#test/support/until.ts";

/** Sums of a day made anew from the ledger (migrations/0032): whatever stood there, they are the sums of the entries again, and of other days nothing changes. */

const TABLES = ["spend_hour", "spend_utc_day", "spend_user_day", "spend_utc_month", "spend_detail_hour", "spend_detail_month", "spend_task_day"] as const;
const YESTERDAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);

let ledger: TestLedger;
beforeEach(async () => {
	ledger = await TestLedger.open();
});
afterEach(() => ledger.close());

/** Every sum by what it is of, and what is counted. */
async function sums(): Promise<Readonly<Record<string, readonly object[]>>> {
	const kept: Record<string, readonly object[]> = {};
	for (const table of [...TABLES, "spend_counted", "spend_day", "spend_resolved"])
		kept[table] = await ledger.sql(`SELECT t::text FROM tollgate.${table} t ORDER BY 1`);
	return kept;
}

const differences = async () => {
	await ledger.fallSilent();
	const { findings } = await verifyLedger({ databaseUrl: ledger.database.url });
	return findings.filter(({ row }) => row.startsWith("spend_")).map(({ row }) => row.split(" ")[0]);
};

/** As if the first half had been booked a day earlier, each with its call. */
async function bookOverTwoDays(seed: number): Promise<void> {
	await bookAtRandom(ledger, createRandom(seed), 40);
	await ledger.sql("UPDATE tollgate.attempt SET at = at - interval '24 hours' WHERE attempt_id = ANY (SELECT 'g1-1-' || n FROM generate_series(1, 20) n)");
	await ledger.sql(
		"UPDATE tollgate.entry SET at = at - interval '24 hours' WHERE kind <> 'adjustment' AND attempt_id = ANY (SELECT 'g1-1-' || n FROM generate_series(1, 20) n)",
	);
	for (const table of [...TABLES, "spend_counted", "spend_looked", "spend_resolved", "spend_day"]) await ledger.sql(`DELETE FROM tollgate.${table}`);
	await countSpend(ledger.client);
}

const daysBooked = async (): Promise<string[]> =>
	(await ledger.sql<{ day: string }>("SELECT DISTINCT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM tollgate.entry ORDER BY 1")).map(
		({ day }) => day,
	);

test.each([1, 2, 3])("a day counted anew, and again, is as it was, with its corrections of any day (seed %i)", async (seed) => {
	await bookOverTwoDays(seed);
	const before = await sums();
	const days = await daysBooked();
	expect(days.length).toBeGreaterThan(1);
	for (const day of [...days, ...days]) {
		await recountSpend(ledger.client, day);
		expect(await sums()).toEqual(before);
	}
	expect(await differences()).toEqual([]);
});

describe("what is wrong of a day is right again:", () => {
	test.each(TABLES)("figures of %s that were changed, rows that are gone, rows that were made up", async (table) => {
		await bookOverTwoDays(4);
		const before = await sums();
		const spoil = [
			`UPDATE tollgate.${table} SET calls = calls + 3, amount_nano_usd = amount_nano_usd - 7`,
			`DELETE FROM tollgate.${table}`,
			`UPDATE tollgate.${table} SET ${table === "spend_task_day" ? "task_kind = task_kind || '?'" : "slice_id = slice_id + 1000"}`,
		];
		for (const statement of spoil) {
			await ledger.sql(statement);
			expect(await differences(), statement).toContain(table);
			for (const day of await daysBooked()) await recountSpend(ledger.client, day);
			expect(await sums(), statement).toEqual(before);
		}
	});

	test("a correction nobody took notice of, of another day", async () => {
		await bookOverTwoDays(5);
		const before = await sums();
		await ledger.sql("UPDATE tollgate.spend_detail_hour SET unresolved_nano_usd = unresolved_nano_usd + 9");
		await ledger.sql("UPDATE tollgate.spend_hour SET unresolved_nano_usd = 0");
		for (const day of (await daysBooked()).toReversed()) await recountSpend(ledger.client, day);
		expect(await sums()).toEqual(before);
	});
});

test("other days and what is not counted yet are left alone", async () => {
	await bookOverTwoDays(6);
	const [first = "", second = ""] = await daysBooked();
	await ledger.settle({ n: 90 });
	await ledger.sql("UPDATE tollgate.spend_hour SET calls = calls + 1");
	await recountSpend(ledger.client, first);
	const wrong = await ledger.sql<{ day: string }>(
		`SELECT DISTINCT to_char(h.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM tollgate.spend_hour h
		 WHERE h.calls <> (SELECT coalesce(sum(d.calls), 0) FROM tollgate.spend_detail_hour d WHERE d.slice_id = h.slice_id AND d.starts_at = h.starts_at)`,
	);
	expect(wrong).toEqual([{ day: second }]);
	expect(await ledger.sql("SELECT sum(calls)::int AS calls FROM tollgate.spend_detail_hour")).toEqual([{ calls: 40 }]);
	await countSpend(ledger.client);
	await recountSpend(ledger.client, second);
	expect(await differences()).toEqual([]);
});

test("cut in the middle, nothing is changed; a count meanwhile waits, and adds what it would have added", async () => {
	await bookOverTwoDays(7);
	const before = await sums();
	const [day = ""] = await daysBooked();
	const other = openTestPool(ledger.database.url);
	const recounting = await other.pool.connect();
	await recounting.query("BEGIN");
	await recountSpend(recounting, day);
	await ledger.settle({ n: 91 });
	const counting = countSpend(ledger.client);
	await until(
		"the count to wait",
		async () => (await other.pool.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rows.length === 1,
	);
	await recounting.query("ROLLBACK");
	recounting.release();
	expect(await counting).toEqual({ chunks: 1, isComplete: true });
	await other.close();
	expect(await ledger.sql("SELECT sum(calls)::int AS calls FROM tollgate.spend_hour")).toEqual([{ calls: 41 }]);
	expect((await sums())["spend_resolved"]).toEqual(before["spend_resolved"]);
	expect(await differences()).toEqual([]);
});

test("beside a count that has begun, what both of them see counts once", async () => {
	await ledger.settle({ n: 1 });
	await countSpend(ledger.client);
	await ledger.settle({ n: 2 }, { n: 3, model: "gpt-test-2026" });
	const other = openTestPool(ledger.database.url);
	const counting = await other.pool.connect();
	await counting.query("BEGIN; SELECT tollgate.count_spend(1)");
	const [day = ""] = await daysBooked();
	const recounting = recountSpend(ledger.client, day);
	await until(
		"the day to wait",
		async () => (await other.pool.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rows.length === 1,
	);
	await counting.query("COMMIT");
	counting.release();
	await recounting;
	await other.close();
	expect(await ledger.sql("SELECT sum(calls)::int AS calls FROM tollgate.spend_hour")).toEqual([{ calls: 3 }]);
	expect(await differences()).toEqual([]);
});

describe("refused:", () => {
	test("a day of an archived month, whose sums stay", async () => {
		await bookOverTwoDays(8);
		const before = await sums();
		const [day = ""] = await daysBooked();
		await ledger.sql("INSERT INTO tollgate.archived_month VALUES (date_trunc('month', $1::date), 0, 0, '', 'month.jsonl', '', DEFAULT, 'ada')", [day]);
		const conflict = { code: "admin.conflict", message: expect.stringContaining("archived") };
		await expect(recountSpend(ledger.client, day)).rejects.toMatchObject(conflict);
		await expect(requireRecountable(ledger.client, { from: day, to: day })).rejects.toMatchObject({ ...conflict, details: { field: "from" } });
		expect(await sums()).toEqual(before);
	});

	test.each([
		[{ from: "2026-10-02", to: "2026-10-01" }, "to"],
		[{ from: "2016-10-01", to: "2026-10-01" }, "to"],
		[{ from: "2026-02-30", to: "2026-03-01" }, "from"],
		[{ from: YESTERDAY, to: "2199-01-01" }, "to"],
	])("%j", async (days, field) => {
		await expect(requireRecountable(ledger.client, days)).rejects.toMatchObject({ code: "admin.invalid", details: { field } });
	});

	test("not a day that has begun", async () => {
		await expect(requireRecountable(ledger.client, { from: YESTERDAY, to: new Date().toISOString().slice(0, 10) })).resolves.toBeUndefined();
	});
});
