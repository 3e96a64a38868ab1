import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { endThrottle, listThrottles } from "#activities/limits/throttles.ts";
import { sweepVelocity } from "#activities/limits/velocity.ts";
import { insertTeam } from "#test/support/authority-rows.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let client: pg.Client;
let sql: Connection;
let count = 0;

beforeAll(async () => {
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	sql = new Connection({ url: database.url, applicationName: "test velocity", statementTimeoutMs: 10_000 });
	// Stands in for the alerts of an installation.
	await client.query("DROP FUNCTION IF EXISTS tollgate.raise_alert(text, text, text, text, text, boolean, jsonb)");
	await client.query("CREATE TABLE told (key text PRIMARY KEY, team text, kind text, is_firing boolean, detail jsonb)");
	await client.query(
		`CREATE FUNCTION tollgate.raise_alert(p_key text, p_team text, p_subject text, p_kind text, p_severity text, p_is_firing boolean, p_detail jsonb)
		 RETURNS boolean LANGUAGE sql AS $$
			WITH told AS (INSERT INTO told VALUES (p_key, p_team, p_kind, p_is_firing, p_detail) ON CONFLICT DO NOTHING RETURNING 1) SELECT EXISTS (SELECT 1 FROM told)
		 $$`,
	);
});
beforeEach(async () => {
	await client.query("TRUNCATE tollgate.throttle, tollgate.velocity_bucket, tollgate.velocity_progress, tollgate.attempt, told");
});
afterAll(async () => {
	await sql.close();
	await client.end();
	await database.close();
});

const USD = 1_000_000_000;

async function attempt(
	teamId: string,
	{ minutesAgo, usd, calls = 1, user = null }: { minutesAgo: number; usd: number; calls?: number; user?: string | null },
): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, user_id, provider, deployment, protocol, endpoint,
			model, priced_model, priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, window_ids)
		 SELECT 'a-' || $1 || '-' || n, t.at, t.at, 'r', 'g', 1, $2, 'key_' || $2, $3, 'p', 'p', 'openai', 'chat.completions', 'm', 'm', '{standard}', 'settled',
			$4, 1, $4, 1, 1, t.at, '{}'
		 FROM generate_series(1, $5) AS n CROSS JOIN (SELECT clock_timestamp() - $6 * interval '1 minute' AS at) t`,
		[++count, teamId, user, Math.round((usd * USD) / calls), calls, minutesAgo],
	);
}

/** A dollar every ten minutes of the last days, as the sweeps of that time would have counted it. */
async function history(teamId: string, days: number): Promise<void> {
	await client.query(
		`INSERT INTO tollgate.velocity_bucket (team_id, dimension, value, starts_at, cost_nano_usd, calls)
		 SELECT $1, 'key', 'key_' || $1, at, 1000000000, 10
		 FROM generate_series(date_bin('10 minutes', clock_timestamp(), 'epoch') - $2 * interval '1 day', clock_timestamp() - interval '30 minutes', interval '10 minutes') AS at`,
		[teamId, days],
	);
	await client.query(
		"INSERT INTO tollgate.velocity_progress (counted_until) VALUES (date_bin('10 minutes', clock_timestamp(), 'epoch')) ON CONFLICT DO NOTHING",
	);
}

const told = async () => (await client.query("SELECT key, team, kind, is_firing, detail FROM told ORDER BY key")).rows;

test("a key that leaves its own history is throttled to what is usual, told once, and let go again", async () => {
	await insertTeam(client, "fast");
	await history("fast", 7);
	await attempt("fast", { minutesAgo: 3, usd: 40, calls: 400 });
	expect(await sweepVelocity(sql)).toEqual([
		{ teamId: "fast", dimension: "key", value: "key_fast", costNanoUsd: "40000000000", usualNanoUsd: "5000000000", requestsPerMinute: 5 },
	]);
	const [throttle] = await listThrottles(client, "fast");
	expect(throttle).toMatchObject({ requestsPerMinute: 5, reason: "40.00 USD in 10 minutes, where up to 5.00 USD is usual", setBy: "velocity" });
	expect(await sweepVelocity(sql)).toEqual([]);
	expect(await told()).toMatchObject([{ team: "fast", kind: "velocity.key", is_firing: true, detail: { value: "key_fast", requestsPerMinute: 5 } }]);
	await endThrottle(client, { teamId: "fast", dimension: "key", value: "key_fast" }, "ada");
	expect((await told()).map(({ key, is_firing }) => [key.endsWith("/ended"), is_firing])).toEqual([
		[false, true],
		[true, false],
	]);
});

test("a throttle whose time is over is forgotten, and its alert withdrawn", async () => {
	await insertTeam(client, "late");
	await client.query("SELECT tollgate.set_throttle('late', 'user', 'ann', 2, clock_timestamp() - interval '1 second', 'test', 'velocity/x', 'test')");
	await sweepVelocity(sql);
	expect((await client.query("SELECT count(*)::int AS left FROM tollgate.throttle")).rows[0]).toEqual({ left: 0 });
	expect(await told()).toMatchObject([{ key: "velocity/x/ended", kind: "velocity.user", is_firing: false }]);
});

test("without three days of history, or where the team does not want it, nobody is throttled", async () => {
	await insertTeam(client, "young");
	await history("young", 2);
	await attempt("young", { minutesAgo: 3, usd: 40 });
	await insertTeam(client, "unwatched", { velocitySigmas: 0 });
	await history("unwatched", 7);
	await attempt("unwatched", { minutesAgo: 3, usd: 40 });
	expect(await sweepVelocity(sql)).toEqual([]);
});

test("a team's own minimum decides who is looked at", async () => {
	await insertTeam(client, "careful", { velocityMinimumNanoUsd: USD });
	await history("careful", 7);
	await attempt("careful", { minutesAgo: 3, usd: 4.5 });
	await insertTeam(client, "calm", { velocityMinimumNanoUsd: 50 * USD });
	await history("calm", 7);
	await attempt("calm", { minutesAgo: 3, usd: 45 });
	expect((await sweepVelocity(sql)).map(({ teamId }) => teamId)).toEqual(["careful"]);
});

test("ten minutes that are over are counted once, by key and by user, and sweeps may be repeated", async () => {
	await insertTeam(client, "counted");
	await attempt("counted", { minutesAgo: 45, usd: 2, calls: 4, user: "ann" });
	await attempt("counted", { minutesAgo: 45, usd: 1 });
	const buckets = async () =>
		(
			await client.query(
				"SELECT dimension, value, sum(cost_nano_usd)::text AS cost, sum(calls)::int AS calls FROM tollgate.velocity_bucket GROUP BY 1, 2 ORDER BY 1",
			)
		).rows;
	for (let sweep = 0; sweep < 16; sweep++) await sweepVelocity(sql); // two weeks, 144 of them at a time
	const expected = [
		{ dimension: "key", value: "key_counted", cost: "3000000000", calls: 5 },
		{ dimension: "user", value: "ann", cost: "2000000000", calls: 4 },
	];
	expect(await buckets()).toEqual(expected);
	await client.query("UPDATE tollgate.velocity_progress SET counted_until = counted_until - interval '2 hours'");
	await sweepVelocity(sql);
	expect(await buckets()).toEqual(expected);
});
