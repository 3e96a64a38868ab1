import { beforeEach, describe, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { sweepExpectations } from "#activities/expectation/sweep.ts";
import { watchAnomalies } from "#activities/expectation/watch.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { addCoarserSums } from "#test/support/spend-sums.ts";

/** What is told of a day on which a team, or a feature of it, spent more than it should have. */

let database: TestDatabase;
let open: TestPool;
let pool: TestPool["pool"];
let sql: Connection;

beforeEach(async () => {
	database = await createTestDatabase();
	open = openTestPool(database.url);
	pool = open.pool;
	sql = new Connection({ url: database.url, applicationName: "test", statementTimeoutMs: 10_000 });
	await pool.query("INSERT INTO tollgate.team (id) VALUES ('search')");
	return async () => {
		await sql.close();
		await open.close();
		await database.close();
	};
});

const DAYS = 60;

/** Sums of sixty days up to today in dollars a day of each feature; `today` of them otherwise. Days before are judged already. */
async function spent(features: Readonly<Record<string, number>>, today: Readonly<Record<string, number>> = {}): Promise<void> {
	for (const [feature, usd] of Object.entries(features)) {
		const { rows } = await pool.query<{ id: number }>(
			`INSERT INTO tollgate.spend_slice (dimension, debit_account, credit_account, model, asked_model, feature, key_id, environment)
			 VALUES ('', 'team/search', 'provider/openai', 'large', 'large', $1, 'key_' || $1, '') RETURNING id`,
			[feature],
		);
		for (const table of ["spend_hour", "spend_utc_day"])
			await pool.query(
				`INSERT INTO tollgate.${table} (slice_id, starts_at, calls, input_tokens, output_tokens, amount_nano_usd, unresolved_nano_usd)
				 SELECT $1::int, date_trunc('day', now(), 'UTC') - n * interval '1 day', x.usd, x.usd * 100, 0, x.usd * (1000000000 + 20000000 * (n % 3))::numeric, 0
				 FROM generate_series(0, ${DAYS - 1}) n CROSS JOIN LATERAL (SELECT CASE WHEN n = 0 THEN $3::int ELSE $2::int END AS usd) x`,
				[rows[0]?.id, usd, today[feature] ?? usd],
			);
	}
	await pool.query(`
		INSERT INTO tollgate.spend_day (team_id, day, amount_nano_usd, judged_nano_usd)
		SELECT 'search', (starts_at AT TIME ZONE 'UTC')::date, sum(amount_nano_usd), nullif(sum(amount_nano_usd), CASE WHEN starts_at = date_trunc('day', now(), 'UTC') THEN sum(amount_nano_usd) END)
		FROM tollgate.spend_utc_day GROUP BY starts_at`);
	await addCoarserSums(pool);
}

type Told = { kind: string; subject: string; detail: Record<string, string> };
const told = async (): Promise<Told[]> => (await pool.query<Told>("SELECT kind, subject, detail FROM tollgate.alert ORDER BY seq")).rows;

describe("a day that cost more than it should have", () => {
	test("is told of the team once, with the feature, model and key that moved, and not once more of that feature", async () => {
		await spent({ chat: 100, mail: 100 }, { chat: 240 });
		expect(await sweepExpectations(sql)).toMatchObject({ daysAbove: [], anomaliesTold: 1 });
		expect(await sweepExpectations(sql)).toMatchObject({ anomaliesTold: 0 });
		const cause = { causeFeature: "chat", causeModel: "large", causeKey: "key_chat", causeMovement: "volume" };
		expect(await told()).toMatchObject([{ kind: "spend.anomaly", subject: "spend", detail: { shape: "spike", spent: "340000000000", ...cause } }]);
	});

	test("is told of a feature where the team as a whole hardly notices", async () => {
		await spent({ chat: 3_000, mail: 30 }, { mail: 120 });
		await sweepExpectations(sql);
		expect(await told()).toMatchObject([{ kind: "spend.anomaly", subject: "spend/mail", detail: { feature: "mail", causeKey: "key_mail" } }]);
	});

	test("above twice what was expected is told as that alone, with its cause", async () => {
		await spent({ chat: 100, mail: 100 }, { chat: 500 });
		expect(await sweepExpectations(sql)).toMatchObject({ daysAbove: [{ teamId: "search" }], anomaliesTold: 0 });
		expect(await told()).toMatchObject([{ kind: "spend.above_expected", detail: { causeFeature: "chat", causeModel: "large", causeMovement: "volume" } }]);
	});

	test("is told again neither when it goes on, nor by a look that died before it was noted", async () => {
		await spent({ chat: 100, mail: 100 }, { chat: 240 });
		const dying: Queryable = {
			query: (text, values) => (text.includes("judge_watched") ? Promise.reject(new Error("killed")) : pool.query(text, values as unknown[])),
		};
		await expect(watchAnomalies(dying)).rejects.toThrow("killed");
		expect(await told()).toEqual([]);
		expect((await watchAnomalies(pool)).told).toBe(1);
		await pool.query("UPDATE tollgate.spend_day SET amount_nano_usd = amount_nano_usd + 50000000000 WHERE day = current_date");
		await pool.query("TRUNCATE tollgate.spend_watched");
		expect(await watchAnomalies(pool)).toMatchObject({ series: 3, told: 0 });
		expect(await told()).toHaveLength(1);
	});

	test("is nothing where days are as they were, or the excess is not worth it", async () => {
		await spent({ chat: 100, mail: 1 }, { chat: 103, mail: 4 });
		expect(await sweepExpectations(sql)).toMatchObject({ daysAbove: [], anomaliesTold: 0 });
		await pool.query("INSERT INTO tollgate.budget (team_id, dimension, window_kind, limit_amount) VALUES ('search', 'team', 'month', 5000000000000)");
		await pool.query("UPDATE tollgate.spend_day SET amount_nano_usd = 180000000000 WHERE day = current_date");
		expect(await sweepExpectations(sql)).toMatchObject({ anomaliesTold: 0 });
	});
});

test("a series is looked at when its day begins, and again when it has cost a tenth more or the day before has changed", async () => {
	await spent({ chat: 100 });
	const looked = async () => (await watchAnomalies(pool)).series;
	const cost = (usd: number, back = 0) =>
		pool.query(`UPDATE tollgate.spend_day SET amount_nano_usd = $1 WHERE day = current_date - ${back}`, [`${usd}000000000`]);
	expect([await looked(), await looked()]).toEqual([2, 0]);
	await cost(109);
	expect(await looked()).toBe(0);
	await cost(111);
	expect([await looked(), await looked()]).toEqual([1, 0]);
	await cost(90, 1);
	expect([await looked(), await looked()]).toEqual([1, 0]);
});

test("of many series all are looked at, some now and the others with the next look where there is no time", async () => {
	await spent(Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`feature-${n}`, 10])));
	expect(await watchAnomalies(pool, 0)).toEqual({ series: 50, told: 0 });
	expect(await watchAnomalies(pool, 0)).toEqual({ series: 11, told: 0 });
	await pool.query("TRUNCATE tollgate.spend_watched");
	expect(await watchAnomalies(pool)).toEqual({ series: 61, told: 0 });
});
