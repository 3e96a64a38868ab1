import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

/** A team with 50,000 runs is governed, and its calls are admitted, as if it had none: what is read is counted, in rows. */
const RUNS = 50_000;
const TEAMS = 20;
const MOST = 1.2;
/** By an index row for row, where it was cheaper to read a small table whole: so often may a statement come by each declared budget. */
const LOOKUPS = 5;

const BUDGET = `'{"dimension": "feature", "dimensionValue": "x", "unit": "nano_usd", "windowKind": "day", "timeZone": "UTC", "weekStart": 1, "fiscalYearStart": 1, "limitAmount": "5", "mode": "enforce", "thresholds": []}'`;
const STATEMENTS: Readonly<Record<string, string>> = {
	"what a gateway loads of a team": "SELECT tollgate.load_team('team-1')",
	"the totals of a team": "SELECT * FROM tollgate.team_totals(ARRAY['team-1'], false, interval '20 minutes')",
	"the totals of all teams": "SELECT * FROM tollgate.team_totals(NULL, true, interval '20 minutes')",
	"the teams that moved": "SELECT * FROM tollgate.moved_teams(pg_snapshot_xmin(pg_current_snapshot()), interval '20 minutes')",
	"a freeze": "SELECT tollgate.set_frozen('team-1', true, 'test', NULL, 'ann')",
	"a change by the workflow": `SELECT tollgate.apply_policy('team-1', 1000, 'ann', jsonb_build_array(${BUDGET}::jsonb), '[]')`,
	"the policy in force": "SELECT tollgate.current_policy()",
	"a policy document":
		"SELECT tollgate.apply_policy_document('ann', tollgate.policy_basis(), (tollgate.current_policy()->'policy') #- '{teams,team-1,budgets,0}', '[]', '')",
	"opening balances": "SELECT tollgate.refresh_opening_balances(interval '1 day')",
	"the ends of raises": "SELECT tollgate.lower_due_windows()",
	"the ends of alerts": "SELECT tollgate.end_alerts()",
	"the watch for overruns": "SELECT tollgate.watch_overruns()",
	"the calendar of a team": "SELECT tollgate.team_time_zone('team-1')",
	"what a day may cost": "SELECT tollgate.spend_facts('team-1', NULL)",
};

let database: TestDatabase;
const before = new Map<string, number>();
beforeAll(async () => {
	database = await createTestDatabase();
	const connection = new Connection({ url: database.url, applicationName: "test" });
	await connection.unprepared.query(`INSERT INTO tollgate.team (id) SELECT 'team-' || n FROM generate_series(1, ${TEAMS}) AS n`);
	for (let n = 1; n <= TEAMS; n += 1)
		await createPostgresBudgetStore(connection).writeBudgets({ teamId: `team-${n}`, revision: 1, requestedBy: "ann", set: [DAILY_BUDGET], remove: [] });
	await connection.close();
	await withClient((client) => client.query("VACUUM ANALYZE"));
	for (const [name, statement] of Object.entries(STATEMENTS)) before.set(name, await rowsRead(statement));
	await withClient(addRuns);
}, 120_000);
afterAll(async () => {
	await database?.close();
});

async function withClient<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
	const client = new pg.Client({ connectionString: database.url });
	await client.connect();
	try {
		return await work(client);
	} finally {
		await client.end();
	}
}

/** As 0021 opens them: a run, its budget, the window, and a lease that is at rest. */
async function addRuns(client: pg.Client): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.budget (team_id, dimension, dimension_value, window_kind, limit_amount, thresholds)
		 SELECT 'team-1', 'run', n, 'lifetime', 20000000000, '[]' FROM generate_series(1, $1) AS n`,
		[RUNS],
	);
	await client.query(
		`INSERT INTO tollgate.budget_window (budget_id, starts_at, ends_at, limit_amount, stop_amount)
		 SELECT id, '-infinity', 'infinity', limit_amount, limit_amount FROM tollgate.budget WHERE dimension = 'run'`,
	);
	await client.query(
		`INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted, returned)
		 SELECT 'g1', 1, w.id, 10, 10 FROM tollgate.budget_window w WHERE w.ends_at = 'infinity'`,
	);
	await client.query("VACUUM ANALYZE");
}

/** Rows of the books that one statement reads, in a connection of its own; nothing of it stays. */
function rowsRead(statement: string): Promise<number> {
	return withClient(async (client) => {
		await client.query("BEGIN");
		await client.query(statement);
		const { rows } = await client.query<{ read: string }>(
			"SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) AS read FROM pg_stat_xact_user_tables WHERE schemaname = 'tollgate' AND relname IN ('budget', 'budget_window', 'lease', 'window_event')",
		);
		await client.query("ROLLBACK");
		return Number(rows[0]?.read ?? 0);
	});
}

test.each(Object.entries(STATEMENTS))("%s reads as much as without runs", async (name, statement) => {
	const read = await rowsRead(statement);
	expect(read).toBeLessThanOrEqual((before.get(name) ?? 0) * MOST + TEAMS * LOOKUPS);
});

test("a run that is held makes no policy document stale", () =>
	withClient(async (client) => {
		const basis = async () => (await client.query<{ basis: string }>("SELECT tollgate.policy_basis() AS basis")).rows[0]?.basis;
		const before = await basis();
		await client.query("SELECT tollgate.record_change('run', 'some-run', 'gateway g1', '{\"state\": \"paused\"}')");
		expect(await basis()).toBe(before);
	}));
