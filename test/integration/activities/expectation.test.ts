import { beforeEach, describe, expect, test } from "vitest";
import { readTeamToday } from "#activities/administration/today.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { sweepExpectations } from "#activities/expectation/sweep.ts";
import { calendarWindow } from "#domain/budget/window.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

/** Totals of days beside the ledger, and what is told of a day that is above what was expected. */

let database: TestDatabase;
let open: TestPool;
let pool: TestPool["pool"];
let sql: Connection;
let entryNumber = 0;

beforeEach(async () => {
	database = await createTestDatabase();
	open = openTestPool(database.url);
	pool = open.pool;
	sql = new Connection({ url: database.url, applicationName: "test", statementTimeoutMs: 10_000 });
	await pool.query("INSERT INTO tollgate.team (id) VALUES ('search'), ('research')");
	return async () => {
		await sql.close();
		await open.close();
		await database.close();
	};
});

type Booking = {
	readonly team?: string;
	readonly at: string;
	readonly amount: number | bigint;
	readonly kind?: string;
	readonly key?: string;
	readonly resolves?: string;
};

/** One chunk of a chain; `at` is an SQL expression. */
async function book(bookings: readonly Booking[], chain = { gatewayId: "g1", epoch: 1 }): Promise<void> {
	const seq = `(SELECT coalesce(max(chunk_seq), 0) + 1 FROM tollgate.chunk WHERE gateway_id = $1 AND epoch = $2)`;
	const [row] = (await pool.query<{ seq: string }>(`SELECT ${seq} AS seq`, [chain.gatewayId, chain.epoch])).rows;
	for (const { team = "search", at: time, amount, kind = "charge", key, resolves } of bookings) {
		entryNumber += 1;
		await pool.query(
			`INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
			 VALUES ($1, ${time}, $2, $3, $4, $5, $6, 'provider/openai', $7, 1, $8)`,
			[key ?? `e${entryNumber}`, kind, chain.gatewayId, chain.epoch, row?.seq, `team/${team}`, String(amount), resolves === undefined ? {} : { resolves }],
		);
	}
	await pool.query("INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ($1, $2, $3, $4, '', '')", [
		chain.gatewayId,
		chain.epoch,
		row?.seq,
		bookings.length,
	]);
}

function budget(
	windowKind: string,
	limitAmount: bigint,
	changes: { readonly timeZone?: string; readonly teamId?: string | null; readonly dimension?: string } = {},
) {
	const { timeZone = "UTC", teamId = "search", dimension = teamId === null ? "organization" : "team" } = changes;
	return pool.query(
		"INSERT INTO tollgate.budget (team_id, dimension, dimension_value, window_kind, time_zone, limit_amount) VALUES ($1, $2, CASE WHEN $2 IN ('team', 'organization') THEN '' ELSE 'x' END, $3, $4, $5)",
		[teamId, dimension, windowKind, timeZone, String(limitAmount)],
	);
}

const days = async (team = "search") =>
	(
		await pool.query<{ day: string; amount: string }>(
			"SELECT to_char(day, 'YYYY-MM-DD') AS day, amount_nano_usd::text AS amount FROM tollgate.spend_day WHERE team_id = $1 ORDER BY day",
			[team],
		)
	).rows;
const at = (text: string) => `'${text}'::timestamptz`;

describe("the totals of days", () => {
	test("are those of the entries after years of days, and a further sweep reads only what is new", async () => {
		await pool.query(`
			INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash)
			SELECT 'g' || g, 1, n, 4, '', '' FROM generate_series(1, 2) g, generate_series(1, 1096) n`);
		await pool.query(`
			INSERT INTO tollgate.entry (entry_key, at, kind, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
			SELECT g || '/' || n || '/' || k, clock_timestamp() - (1096 - n) * interval '1 day', 'charge', 'g' || g, 1, n,
			       CASE k WHEN 1 THEN 'team/search' WHEN 2 THEN 'team/research' WHEN 3 THEN 'team/@unknown' ELSE 'organization' END, 'provider/openai', g * 1000 + n + k, 1
			FROM generate_series(1, 2) g, generate_series(1, 1096) n, generate_series(1, 4) k`);
		expect(await sweepExpectations(sql)).toMatchObject({ countedChunks: 2192 });
		const byEntries = await pool.query(`
			SELECT substr(debit_account, 6) AS team_id, (at AT TIME ZONE 'UTC')::date::text AS day, sum(amount_nano_usd)::text AS amount FROM tollgate.entry
			WHERE debit_account IN ('team/search', 'team/research') GROUP BY 1, 2 ORDER BY 1, 2`);
		const kept = await pool.query("SELECT team_id, day::text, amount_nano_usd::text AS amount FROM tollgate.spend_day ORDER BY 1, 2");
		expect(kept.rows).toEqual(byEntries.rows);
		expect(kept.rows).toHaveLength(2 * 1096);
		expect(await sweepExpectations(sql)).toMatchObject({ countedChunks: 0, judgedDays: 0 });
		await book([{ at: "clock_timestamp()", amount: 7 }]);
		expect(await sweepExpectations(sql)).toMatchObject({ countedChunks: 1, judgedDays: 1 });
	});

	test("belong to the calendar of the team's day budget, else its month budget, else the organisation's", async () => {
		const evening = at("2026-11-25T19:00:00Z");
		await book([{ at: evening, amount: 1 }]);
		await sweepExpectations(sql);
		await budget("month", 100n, { teamId: null, timeZone: "Asia/Kolkata" });
		await book([{ at: evening, amount: 2 }]);
		await sweepExpectations(sql);
		expect(await days()).toEqual([
			{ day: "2026-11-25", amount: "1" },
			{ day: "2026-11-26", amount: "2" },
		]);
		await budget("month", 100n, { timeZone: "Pacific/Honolulu" });
		await budget("day", 100n, { dimension: "feature", timeZone: "Asia/Tokyo" });
		await book([{ at: at("2026-11-25T05:00:00Z"), amount: 4 }]);
		await sweepExpectations(sql);
		expect(await days()).toContainEqual({ day: "2026-11-24", amount: "4" });
		await budget("day", 100n, { timeZone: "Europe/Berlin" });
		await book([{ at: at("2026-11-23T23:30:00Z"), amount: 8 }]);
		await sweepExpectations(sql);
		expect(await days()).toContainEqual({ day: "2026-11-24", amount: "12" });
	});

	test("a correction counts on the day of what it corrects, what was booked late on the day it was booked", async () => {
		await book([{ key: "a", at: at("2026-11-20T12:00:00Z"), amount: 1_000, kind: "unresolved" }]);
		await sweepExpectations(sql);
		await book([{ key: "a/adjust/1", at: at("2026-11-25T12:00:00Z"), amount: -900, kind: "adjustment", resolves: "a" }], { gatewayId: "verify", epoch: 1 });
		await book([{ at: at("2026-11-25T12:00:00Z"), amount: 5 }]);
		await sweepExpectations(sql);
		expect(await days()).toEqual([
			{ day: "2026-11-20", amount: "100" },
			{ day: "2026-11-25", amount: "5" },
		]);
	});
});

describe("a day above twice what was expected", () => {
	/** The six days of the same weekday before, at noon. */
	async function pastWeeks(amount: number): Promise<void> {
		const noon = (weeks: number) =>
			`(date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') - ${weeks} * interval '7 days' + interval '12 hours') AT TIME ZONE 'UTC'`;
		await book([1, 2, 3, 4, 5, 6].map((weeks) => ({ at: noon(weeks), amount })));
	}
	const alerts = async () =>
		(
			await pool.query<{ kind: string; team: string; isFiring: boolean; detail: Record<string, string | number> }>(
				"SELECT kind, team_id AS team, is_firing AS \"isFiring\", detail FROM tollgate.alert WHERE kind = 'spend.above_expected' ORDER BY seq",
			)
		).rows;

	test("is told once, however often it is judged and however much follows", async () => {
		await pastWeeks(100);
		await book([{ at: "clock_timestamp()", amount: 200 }]);
		expect(await sweepExpectations(sql)).toMatchObject({ daysAbove: [] });
		expect(await alerts()).toEqual([]);
		for (const amount of [1, 50, 5_000]) {
			await book([{ at: "clock_timestamp()", amount }]);
			expect(await sweepExpectations(sql)).toMatchObject({ daysAbove: [{ teamId: "search" }] });
		}
		const [alert, ...others] = await alerts();
		expect(others).toEqual([]);
		expect(alert).toMatchObject({ team: "search", isFiring: true, detail: { timeZone: "UTC", spent: "201", expected: "100", expectedFrom: "history" } });
	});

	test("is over with the team's local day", async () => {
		await budget("day", 100n, { timeZone: "Asia/Kolkata" });
		await book([{ at: "clock_timestamp()", amount: 1_000 }]);
		await sweepExpectations(sql);
		const [alert] = await alerts();
		const midnight = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kolkata", timeStyle: "medium" }).format(Number(alert?.detail["endsAtMs"]));
		expect(midnight).toBe("00:00:00");
		expect(Number(alert?.detail["endsAtMs"])).toBeGreaterThan(Date.now());
		await pool.query("UPDATE tollgate.alert SET ends_at = clock_timestamp() - interval '1 second'");
		await pool.query("SELECT tollgate.end_alerts()");
		expect((await alerts()).map(({ isFiring }) => isFiring)).toEqual([true, false]);
	});

	test("is judged by the budget where there are no 14 days of history", async () => {
		await budget("day", 100n);
		await book([{ at: "clock_timestamp()", amount: 200 }]);
		await sweepExpectations(sql);
		expect(await alerts()).toEqual([]);
		await book([{ at: "clock_timestamp()", amount: 1 }]);
		await sweepExpectations(sql);
		expect(await alerts()).toMatchObject([{ detail: { expected: "100", expectedFrom: "limit" } }]);
	});

	describe("with a limit that changed", () => {
		const setLimit = (limitAmount: string, revision: number, windowKind: "day" | "month" = "day") =>
			createPostgresBudgetStore(sql).writeBudgets({
				...{ teamId: "search", revision, requestedBy: "ann", remove: [] },
				set: [{ ...DAILY_BUDGET, windowKind, limitAmount, thresholds: [] }],
			});

		test("is judged by the highest of that day: what it allowed is not told when it is lowered again", async () => {
			await setLimit("100", 1);
			await setLimit("1000", 2);
			await setLimit("50", 3);
			await book([{ at: "clock_timestamp()", amount: 2_000 }]);
			await sweepExpectations(sql);
			expect(await alerts()).toEqual([]);
			await book([{ at: "clock_timestamp()", amount: 1 }]);
			await sweepExpectations(sql);
			expect(await alerts()).toMatchObject([{ detail: { expected: "1000", expectedFrom: "limit" } }]);
		});

		test("is not judged by one of days before", async () => {
			await setLimit("100000", 1, "month");
			await setLimit("100", 2, "month");
			await pool.query("UPDATE tollgate.budget_window SET starts_at = starts_at - interval '40 days'");
			await pool.query("UPDATE tollgate.window_event SET at = at - interval '2 days'");
			await book([{ at: "clock_timestamp()", amount: 100 }]);
			await sweepExpectations(sql);
			expect(await alerts()).toMatchObject([{ detail: { expectedFrom: "limit" } }]);
		});

		test("is judged by what a raise allowed, after it has ended", async () => {
			await setLimit("20", 1);
			await pool.query(`
				INSERT INTO tollgate.limit_increase (id, team_id, budget_id, kind, status, asked_amount, granted_amount, until_at, reason, requested_by,
					is_requested_by_hand, requested_at, expires_at, applied_at)
				SELECT 'inc_0123456789ab', 'search', id, 'increase', 'approved', 50, 50, clock_timestamp() + interval '1 hour', 'x', 'ann', false,
					clock_timestamp(), clock_timestamp() + interval '1 hour', clock_timestamp() FROM tollgate.budget`);
			await pool.query("SELECT tollgate.apply_limits(id) FROM tollgate.budget_window");
			await pool.query("UPDATE tollgate.limit_increase SET until_at = clock_timestamp() - interval '1 second', status = 'ended'");
			await pool.query("SELECT tollgate.apply_limits(id) FROM tollgate.budget_window");
			await book([{ at: "clock_timestamp()", amount: 70 }]);
			await sweepExpectations(sql);
			expect(await alerts()).toEqual([]);
			expect(await readTeamToday(pool, "search")).toMatchObject({ expectedNanoUsd: "70", expectedFrom: "limit" });
		});
	});

	test("is expected by the fiscal quarter of the budget", async () => {
		await budget("quarter", 1_000_000n);
		await pool.query("UPDATE tollgate.budget SET fiscal_year_start = 3");
		const { startsAtMs, endsAtMs } = calendarWindow({ windowKind: "quarter", timeZone: "UTC", fiscalYearStart: 3 }, Date.now());
		const days = Math.round(((endsAtMs ?? 0) - startsAtMs) / 86_400_000);
		expect(await readTeamToday(pool, "search")).toMatchObject({ expectedNanoUsd: String(Math.floor(1_000_000 / days)) });
	});

	test("is told of yesterday too, whose last calls were booked late, and not of days before", async () => {
		await budget("day", 100n);
		await book([{ at: "clock_timestamp() - interval '24 hours'", amount: 1_000 }]);
		await budget("day", 100n, { teamId: "research" });
		await book([{ team: "research", at: "clock_timestamp() - interval '48 hours'", amount: 1_000 }]);
		await sweepExpectations(sql);
		expect((await alerts()).map(({ team }) => team)).toEqual(["search"]);
	});

	test("two workers that sweep at once count and tell once", async () => {
		await pastWeeks(100);
		await book([{ at: "clock_timestamp()", amount: 1_000 }]);
		const other = new Connection({ url: database.url, applicationName: "test", statementTimeoutMs: 10_000 });
		const reports = await Promise.all([sweepExpectations(sql), sweepExpectations(other)]);
		await other.close();
		expect(reports.reduce((sum, { countedChunks }) => sum + countedChunks, 0)).toBe(2);
		expect(await alerts()).toHaveLength(1);
		expect((await days()).at(-1)).toMatchObject({ amount: "1000" });
	});

	test("is what people see of today", async () => {
		expect(await readTeamToday(pool, "search")).toMatchObject({ spentNanoUsd: "0", expectedNanoUsd: null, expectedFrom: null, isAboveExpected: false });
		await budget("week", 700n, { timeZone: "Europe/Berlin" });
		await book([{ at: "clock_timestamp()", amount: 201 }]);
		await sweepExpectations(sql);
		expect(await readTeamToday(pool, "search")).toMatchObject({
			teamId: "search",
			timeZone: "Europe/Berlin",
			date: new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/Berlin" }).format(Date.now()),
			spentNanoUsd: "201",
			expectedNanoUsd: "100",
			expectedFrom: "limit",
			isAboveExpected: true,
		});
		await expect(readTeamToday(pool, "nobody")).rejects.toMatchObject({ code: "admin.not_found" });
	});
});
