import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REFUSED_TEAMS } from "#activities/alerts/sources.ts";
import { createPostgresBudgetStore, NO_REFUSALS } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { TEAMS_REFUSED_SINCE, TotalsSource } from "#activities/governance/totals-source.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

/** What is looked at several times a second must not grow with the years. */
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	await client.query("INSERT INTO tollgate.team (id) SELECT 'team-' || n FROM generate_series(1, 20) AS n");
	const connection = new Connection({ url: database.url, applicationName: "test" });
	for (let n = 1; n <= 20; n++)
		await createPostgresBudgetStore(connection).writeBudgets({ teamId: `team-${n}`, revision: 1, requestedBy: "ann", set: [DAILY_BUDGET], remove: [] });
	await connection.close();
	await client.query(
		`INSERT INTO tollgate.budget_window (budget_id, starts_at, ends_at, limit_amount, stop_amount)
		 SELECT w.budget_id, w.starts_at - n * interval '1 day', w.ends_at - n * interval '1 day', w.limit_amount, w.stop_amount
		 FROM tollgate.budget_window w CROSS JOIN generate_series(1, 500) AS n`,
	);
	await client.query("INSERT INTO tollgate.totals_told (team_id, told_at) SELECT id, clock_timestamp() FROM tollgate.team");
	await client.query("ANALYZE tollgate.budget_window, tollgate.budget, tollgate.totals_told");
});

afterAll(async () => {
	await client?.end();
	await database?.close();
});

async function planOf(statement: string, values: readonly unknown[] = []): Promise<string> {
	const { rows } = await client.query<{ "QUERY PLAN": unknown }>({ text: `EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`, values: [...values] });
	return JSON.stringify(rows);
}

test("a look at the totals of all teams finds their last windows by the index and reads none that ended long ago", async () => {
	const plan = await planOf("SELECT * FROM tollgate.team_totals(NULL, true, interval '20 minutes')");
	expect(plan).toContain('"Index Name":"budget_window_last"');
	const removed = [...plan.matchAll(/"Rows Removed by (?:Filter|Index Recheck)":(\d+)/g)].map(([, count]) => Number(count));
	expect(Math.max(0, ...removed)).toBeLessThan(100);
	const { rows } = await client.query("SELECT count(*)::int AS windows FROM tollgate.team_totals(NULL, true, interval '20 minutes')");
	expect(rows).toEqual([{ windows: 20 }]);
});

test("a look for what has moved reads the windows that have not ended, and their leases", async () => {
	const plan = await planOf("SELECT * FROM tollgate.moved_teams(pg_snapshot_xmin(pg_current_snapshot()), interval '20 minutes')");
	const read = [...plan.matchAll(/"Relation Name":"budget_window"[^}]*?"Actual Rows":([\d.]+)/g)].map(([, count]) => Number(count));
	expect(read.length).toBeGreaterThan(0);
	expect(Math.max(...read)).toBeLessThanOrEqual(20);
	expect(plan).not.toMatch(/"Node Type":"Seq Scan"[^}]*?"Relation Name":"budget_window"/);
});

test("what the workflow of one team reads of its totals goes by its own budgets", async () => {
	await client.query("SET enable_seqscan = off");
	expect(await planOf("SELECT * FROM tollgate.team_totals(ARRAY['team-1'], false, interval '20 minutes')")).toContain('"Index Name":"budget_account"');
	await client.query("RESET enable_seqscan");
});

/** After five readings PostgreSQL kept a plan for any teams: with 10,000 of them it read 300 ms for a handful. */
test("no plan is kept of reading the totals of some teams", async () => {
	const connection = new Connection({ url: database.url, applicationName: "test" });
	const [source, store] = [new TotalsSource(connection), createPostgresBudgetStore(connection)];
	expect((await source.readTeams(["team-1", "team-2"], { untold: new Map(), refusalsOf: () => NO_REFUSALS })).length).toBe(2);
	expect((await store.readBudgets({ teamId: "team-1" })).windows.length).toBe(1);
	const kept = await connection.query<{ statement: string }>(undefined, "SELECT statement FROM pg_prepared_statements", []);
	expect(kept.length).toBeGreaterThan(0);
	expect(kept.filter(({ statement }) => statement.includes("team_totals"))).toEqual([]);
	await connection.close();
});

test.each([
	["the publisher's look for refused teams", TEAMS_REFUSED_SINCE, [10]],
	["the watch for bursts of refusals", REFUSED_TEAMS, []],
])("%s can go by the time of the refusals", async (_name, statement, values) => {
	await client.query("SET enable_seqscan = off");
	expect(await planOf(statement, values)).toMatch(/"Index Cond":"\(at > /);
	await client.query("RESET enable_seqscan");
});
