import { afterAll, beforeAll, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { ensurePartitions } from "#activities/ledger/upkeep.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

let ledger: TestLedger;
beforeAll(async () => {
	ledger = await TestLedger.open();
});
afterAll(() => ledger.close());

test("this month and three more exist; a second call makes none", async () => {
	const sql = new Connection({ url: ledger.database.url, applicationName: "test" });
	expect(await ensurePartitions(sql)).toBe(0);
	await sql.close();
	const rows = await ledger.sql<{ count: string }>(
		"SELECT count(*) FROM pg_inherits WHERE inhparent IN ('tollgate.attempt'::regclass, 'tollgate.entry'::regclass)",
	);
	expect(rows).toEqual([{ count: "10" }]);
});

test("rows that reached the default partition move into the month made for them", async () => {
	await ledger.settle({ n: 1 });
	await ledger.sql("UPDATE tollgate.entry SET at = at + interval '5 months' WHERE entry_key = 'g1-1-1'");
	const stored = () => ledger.sql<{ place: string }>("SELECT tableoid::regclass::text AS place FROM tollgate.entry WHERE entry_key = 'g1-1-1'");
	expect(await stored()).toMatchObject([{ place: expect.stringMatching(/entry_default$/) }]);
	await ledger.sql("SELECT tollgate.ensure_partitions(5)");
	expect((await stored())[0]?.place).toMatch(/entry_\d{4}_\d{2}$/);
});
