import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countForReports } from "#activities/reports/count-dear-calls.ts";
import { gatherFacts } from "#activities/reports/gather-facts.ts";
import { makeReport } from "#activities/reports/make-report.ts";
import type { ReportRequest } from "#activities/reports/port.ts";
import { readOutlook } from "#activities/reports/read-outlook.ts";
import { readSpendingTeams } from "#activities/reports/spending-teams.ts";
import { listReports, readReport } from "#activities/reports/stored-reports.ts";
import { renderHtml } from "#domain/reports/rendering/render-html.ts";
import { dateOfDay, lastFinishedPeriod, periodOfDay, REPORT_KINDS, type ReportPeriod } from "#domain/reports/report-period.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { generateLedger } from "../../../../bench/books/generate-ledger.ts";

/** Reports of a generated ledger of twenty teams say what its entries say, and stay what they are. */
let database: TestDatabase;
let client: pg.Client;
const ZONES = ["UTC", "America/New_York", "Asia/Kolkata"] as const;
const DAYS = 50;

beforeAll(async () => {
	database = await createTestDatabase();
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	await generateLedger(client, { attempts: 6_000, days: DAYS, seed: 5 }, () => undefined);
	await client.query("INSERT INTO tollgate.team (id) VALUES ('idle')");
	// A tenth of the calls is dear.
	await client.query("UPDATE tollgate.entry SET amount_nano_usd = amount_nano_usd * 50 WHERE hashtext(entry_key) % 10 = 0");
	// Some of any day stand in one hour of yesterday, which many chunks then have a part of.
	await client.query(`
		CREATE TEMPORARY TABLE moved AS SELECT attempt_id, date_trunc('day', now(), 'UTC') - interval '12 hours' + row_number() OVER () * interval '1 second' AS at
		FROM tollgate.attempt WHERE team_id = 'team-0' ORDER BY hashtext(attempt_id) LIMIT 120`);
	for (const table of ["entry", "attempt"]) await client.query(`UPDATE tollgate.${table} x SET at = m.at FROM moved m WHERE m.attempt_id = x.attempt_id`);
}, 120_000);
afterAll(async () => {
	await client?.end();
	await database?.close();
});

const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> => (await client.query<Row>(text, values)).rows;
const make = (request: ReportRequest, timeZone = "UTC") => makeReport({ database: client, settings: { timeZone }, by: "ada" }, request);
const span = ({ fromMs, toMs }: Pick<ReportPeriod, "fromMs" | "toMs">) => [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];

/** What entries say of a time, by a column. */
async function entriesBy(column: string, of: ReportPeriod, teamId: string | null): Promise<Map<string | null, bigint>> {
	const rows = await sql<{ name: string | null; amount: string }>(
		`SELECT ${column} AS name, sum(e.amount_nano_usd)::text AS amount FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
		 WHERE e.at >= $1 AND e.at < $2 AND ($3::text IS NULL OR a.team_id = $3) GROUP BY 1`,
		[...span(of), teamId],
	);
	return new Map(rows.map(({ name, amount }) => [name, BigInt(amount)]));
}

describe("what a report is written from", () => {
	test.each(ZONES.flatMap((zone) => REPORT_KINDS.map((kind) => [zone, kind] as const)))(
		"in %s, %s, is what the entries say, to the nano-dollar",
		async (zone, kind) => {
			await countForReports(client);
			const period = lastFinishedPeriod(kind, Date.now(), zone);
			for (const teamId of [null, "team-3"]) {
				const facts = await gatherFacts(client, { period, teamId });
				for (const [groups, column] of [
					[facts.teams, "a.team_id"],
					[facts.models, "a.model"],
					[facts.features, "a.feature"],
				] as const) {
					if (groups === undefined) continue;
					const told = new Map(groups.filter(({ nanoUsd }) => (nanoUsd[0] ?? 0n) !== 0n).map(({ name, nanoUsd }) => [name, nanoUsd[0]]));
					expect(told).toEqual(await entriesBy(column, period, teamId));
				}
				const [first] = facts.totals;
				expect(first?.nanoUsd).toBe([...(await entriesBy("1::text", period, teamId)).values()][0] ?? 0n);
				const drawn = facts.days.filter(({ day }) => day >= period.firstDay).reduce((sum, { nanoUsd }) => sum + nanoUsd, 0n);
				expect(drawn).toBe(first?.nanoUsd);
				const dearest = await sql<{ request: string }>(
					`SELECT a.request_id AS request FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id
				 WHERE e.at >= $1 AND e.at < $2 AND ($3::text IS NULL OR a.team_id = $3) AND e.amount_nano_usd >= 1000000 ORDER BY e.amount_nano_usd DESC, e.attempt_id LIMIT 10`,
					[...span(period), teamId],
				);
				expect(facts.dearestCalls?.map(({ call }) => call?.requestId)).toEqual(dearest.map(({ request }) => request));
			}
		},
	);

	test("what models say: unusual days with their cause, forecasts, and how good they were", async () => {
		await countForReports(client);
		const daily = await readOutlook({ database: client }, { period: lastFinishedPeriod("daily", Date.now(), "UTC"), teamId: null });
		expect(daily.anomalies).toEqual([]);
		expect(daily.forecasts?.length).toBe(20);
		expect([daily.forecastErrors, daily.savings]).toEqual([undefined, undefined]);
		const monthly = await readOutlook({ database: client }, { period: lastFinishedPeriod("monthly", Date.now(), "UTC"), teamId: "team-3" });
		expect(monthly.forecasts).toBeUndefined();
		const [booked] = await sql<{ sum: string }>(
			"SELECT sum(amount_nano_usd)::text FROM tollgate.spend_utc_month m JOIN tollgate.spend_slice s ON s.id = m.slice_id WHERE s.dimension = 'team' AND s.debit_account = 'team/team-3' AND m.starts_at = date_trunc('month', now(), 'UTC') - interval '1 month'",
		);
		expect(monthly.forecastErrors).toMatchObject([{ teamId: "team-3", actualNanoUsd: BigInt(booked?.sum ?? 0) }]);
		const longAgo = await readOutlook({ database: client }, { period: periodOfDay("daily", Math.floor(Date.now() / 86_400_000) - 800, "UTC"), teamId: null });
		expect(longAgo).toEqual({});
	});

	test.each([
		["organization", "", null, "true"],
		["team", "", "team-3", "a.team_id = 'team-3'"],
		["feature", "feature-1", "team-3", "a.team_id = 'team-3' AND a.feature = 'feature-1'"],
		["model", "o3", null, "a.model = 'o3'"],
	])("what a budget of %s %s selects costs what its entries cost, whole days and hours at both ends", async (dimension, value, team, condition) => {
		await countForReports(client);
		const day = Math.floor(Date.now() / 86_400_000);
		const [from, to] = span({ fromMs: (day - 20) * 86_400_000 + 18_000_000, toMs: day * 86_400_000 - 32_400_000 });
		const [kept] = await sql("SELECT tollgate.spent_between($1, $2, $3, $4, $5)::text AS amount", [team, dimension, value, from, to]);
		const [booked] = await sql(
			`SELECT sum(e.amount_nano_usd)::text AS amount FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id WHERE e.at >= $1 AND e.at < $2 AND ${condition}`,
			[from, to],
		);
		expect(kept).toEqual(booked);
	});

	test("dearest calls are the same in whatever pieces they are looked for, and by several at once", async () => {
		const kept = () => sql("SELECT * FROM tollgate.dear_call ORDER BY starts_at, team_id, amount_nano_usd DESC, attempt_id");
		await countForReports(client);
		const whole = await kept();
		await sql("DELETE FROM tollgate.dear_call");
		await sql("DELETE FROM tollgate.dear_counted");
		const others = await Promise.all([1, 2].map(async () => new pg.Client({ connectionString: database.url })));
		await Promise.all(others.map((one) => one.connect()));
		for (let chunks = 1; chunks > 0; ) {
			const counted = await Promise.all([client, ...others].map((one) => one.query<{ n: number }>("SELECT tollgate.count_dear_calls(1) AS n")));
			chunks = counted.reduce((sum, { rows }) => sum + (rows[0]?.n ?? 0), 0);
		}
		await Promise.all(others.map((one) => one.end()));
		expect(await kept()).toEqual(whole);
		expect(Math.max(...(await sql<{ n: number }>("SELECT count(*)::int AS n FROM tollgate.dear_call GROUP BY starts_at, team_id")).map(({ n }) => n))).toBe(10);
	});

	test("teams are those that spent something, each in one lane", async () => {
		await countForReports(client);
		const period = lastFinishedPeriod("daily", Date.now(), "UTC");
		const spent = [...(await entriesBy("a.team_id", period, null)).keys()].sort();
		const lanes: string[] = [];
		for (const lane of [0, 1, 2]) lanes.push(...(await readSpendingTeams(client, period, { lane, lanes: 3, after: "", limit: 100 })));
		expect(lanes.sort()).toEqual(spent);
	});
});

describe("a report that was written", () => {
	test("stays what it is when it is asked for again, whatever was booked meanwhile; asked for anew it is another edition", async () => {
		const first = await make({ kind: "daily", teamId: "team-2" });
		expect(first).toMatchObject({ isNew: true, isTold: false, stored: { edition: 1, writtenBy: "ada", teamId: "team-2" } });
		const same = await make({ kind: "daily", teamId: "team-2", again: true });
		expect(same).toMatchObject({ isNew: false, stored: { edition: 1 } });
		const yesterday = lastFinishedPeriod("daily", Date.now(), "UTC");
		await sql(
			"UPDATE tollgate.spend_hour SET amount_nano_usd = amount_nano_usd + 1 WHERE starts_at = (SELECT max(starts_at) FROM tollgate.spend_hour WHERE starts_at < $1)",
			[new Date(yesterday.toMs).toISOString()],
		);
		await sql("UPDATE tollgate.spend_utc_day SET amount_nano_usd = amount_nano_usd + 1 WHERE starts_at = $1", [new Date(yesterday.fromMs).toISOString()]);
		const again = await make({ kind: "daily", teamId: "team-2" });
		expect(again.stored).toEqual(first.stored);
		const anew = await make({ kind: "daily", teamId: "team-2", again: true });
		expect(anew).toMatchObject({ isNew: true, stored: { edition: 2 } });
		expect((await readReport(client, first.stored.id, 1)).report).toEqual(first.stored.report);
		expect((await readReport(client, first.stored.id)).edition).toBe(2);
		expect((await listReports(client, { teamId: "team-2", limit: 10 })).map(({ edition }) => edition)).toEqual([2]);
	});

	test("is the same page from the same books, written twice from nothing", async () => {
		const pages: string[] = [];
		for (let time = 0; time < 2; time++) {
			pages.push(renderHtml((await make({ kind: "weekly" })).stored.report));
			await sql("DELETE FROM tollgate.report WHERE kind = 'weekly'");
		}
		expect(pages[0]).toBe(pages[1]);
	});

	test("by several at once it is written once", async () => {
		const others = await Promise.all(
			[1, 2, 3].map(async () => {
				const one = new pg.Client({ connectionString: database.url });
				await one.connect();
				return one;
			}),
		);
		const made = await Promise.all(
			others.map((one) => makeReport({ database: one, settings: { timeZone: "UTC" }, by: "ada" }, { kind: "monthly", again: true })),
		);
		await Promise.all(others.map((one) => one.end()));
		expect(made.filter(({ isNew }) => isNew)).toHaveLength(1);
		expect(
			new Set(made.map(({ stored }) => JSON.stringify(stored.report.sections, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value))))
				.size,
		).toBe(1);
	});
});

describe("a report is told", () => {
	test("once, to channels of its own team, and wakes nobody who asked for everything", async () => {
		await sql(`INSERT INTO tollgate.alert_channel (name, kind) VALUES ('chat', 'slack'), ('all', 'slack'), ('pager', 'pagerduty'), ('named', 'pagerduty')`);
		await sql(
			`INSERT INTO tollgate.alert_route (team_id, channel, kinds) VALUES ('team-1', 'chat', '{}'), ('@organization', 'all', '{}'), ('team-1', 'pager', '{}'), ('team-1', 'named', '{report.daily}')`,
		);
		const told = async (kind: string) =>
			(
				await sql<{ channel: string }>(
					`SELECT d.channel FROM tollgate.alert a JOIN tollgate.alert_delivery d ON d.alert_seq = a.seq WHERE a.kind = $1 ORDER BY 1`,
					[kind],
				)
			).map(({ channel }) => channel);
		expect((await make({ kind: "daily", teamId: "team-1", tell: true })).isTold).toBe(true);
		expect((await make({ kind: "daily", teamId: "team-1", tell: true })).isTold).toBe(false);
		expect((await make({ kind: "daily", teamId: "team-1", again: true, tell: true })).isTold).toBe(false);
		expect(await told("report.daily")).toEqual(["chat", "named"]);
		await make({ kind: "monthly", tell: true });
		expect(await told("report.monthly")).toEqual(["all"]);
		await sql("SELECT tollgate.raise_alert('k', 'team-1', '', 'refusals.burst', 'warning', true, '{}')");
		expect(await told("refusals.burst")).toEqual(["all", "chat", "pager"]);
	});
});

describe("what cannot be reported is refused by its field", () => {
	const today = dateOfDay(Math.floor(Date.now() / 86_400_000));
	test.each([
		[{ kind: "daily", date: today }, "date", "is not finished in UTC"],
		[{ kind: "monthly", date: today }, "date", "is not finished in UTC"],
		[{ kind: "daily", date: "2999-01-01" }, "date", "is in the future"],
		[{ kind: "daily", date: "2026-02-30" }, "date", "is no day like"],
		[{ kind: "daily", date: "<b>" }, "date", "is no day like"],
		[{ kind: "daily", date: "2001-01-01" }, "date", "more than ten years ago"],
		[{ kind: "weekly", date: dateOfDay(Math.floor(Date.now() / 86_400_000) - DAYS - 20) }, "date", "before the first booking"],
		[{ kind: "daily", teamId: "idle" }, "teamId", "nothing was booked for team idle yet"],
	] as const)("%j", async (request, field, problem) => {
		const before = await sql("SELECT * FROM tollgate.report");
		await expect(make(request)).rejects.toMatchObject({ code: "admin.invalid", details: { field }, message: expect.stringContaining(problem) });
		expect(await sql("SELECT * FROM tollgate.report")).toEqual(before);
	});

	test("before anything was booked", async () => {
		const empty = await createTestDatabase();
		const one = new pg.Client({ connectionString: empty.url });
		await one.connect();
		await expect(makeReport({ database: one, settings: { timeZone: "UTC" }, by: "ada" }, { kind: "daily" })).rejects.toMatchObject({
			message: expect.stringContaining("nothing was booked yet"),
		});
		await one.end();
		await empty.close();
	});

	test("a report that was not written, and what is no id of one", async () => {
		await expect(readReport(client, "daily-2026-01-01-nobody")).rejects.toMatchObject({
			code: "admin.not_found",
			message: expect.stringContaining("npx tollgate report daily --date 2026-01-01 --team nobody"),
		});
		await expect(readReport(client, "../etc")).rejects.toMatchObject({ code: "admin.invalid" });
	});
});

test("any day of the past can be written later", async () => {
	const yesterday = lastFinishedPeriod("daily", Date.now(), "UTC");
	for (const back of [1, 10, DAYS - 1]) {
		const period = periodOfDay("daily", yesterday.firstDay - back, "UTC");
		const { stored } = await make({ kind: "daily", date: period.date });
		expect(BigInt(stored.spentNanoUsd)).toBe([...(await entriesBy("1::text", period, null)).values()][0] ?? 0n);
	}
});
