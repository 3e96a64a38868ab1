import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSpendingTeams } from "#activities/reports/spending-teams.ts";
import { lastFinishedPeriod } from "#domain/reports/report-period.ts";
import type { HeldStatement } from "#test/support/held-statements.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { type RoleProcess, RoleProcesses } from "#test/support/role-process.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { REPORT_WORKFLOW, type ReportInput, type ReportResult, reportScheduleId } from "#workflows/report/messages.ts";
import { generateLedger } from "../../../bench/books/generate-ledger.ts";
import { reportSchedules } from "../../../workers/reports.ts";
import { ensureSchedule } from "../../../workers/shared/ensure-schedule.ts";

let database: TestDatabase;
let client: pg.Client;
let temporal: TestTemporal;
let roles: RoleProcesses;
let child: RoleProcess;

beforeAll(async () => {
	[database, temporal, roles] = await Promise.all([createTestDatabase(), startTestTemporal(), RoleProcesses.open()]);
	client = new pg.Client({ connectionString: database.url });
	await client.connect();
	await generateLedger(client, { attempts: 4_000, days: 40, seed: 9 }, () => undefined);
	await client.query("INSERT INTO tollgate.alert_channel (name, kind) VALUES ('chat', 'slack')");
	await client.query("INSERT INTO tollgate.alert_route (team_id, channel) SELECT id, 'chat' FROM tollgate.team UNION ALL SELECT '@organization', 'chat'");
}, 180_000);
afterAll(async () => {
	await roles?.close();
	await client?.end();
	await temporal?.close();
	await database?.close();
});

const startChild = (held: readonly HeldStatement[] = []): Promise<RoleProcess> =>
	roles.start({ role: "reports", databaseUrl: database.url, temporalAddress: temporal.address, held });
const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> => (await client.query<Row>(text, values)).rows;
const written = async (kind: string) => (await sql<{ n: number }>("SELECT count(*)::int AS n FROM tollgate.report WHERE kind = $1", [kind]))[0]?.n ?? 0;
const schedule = (kind: "daily" | "weekly" | "monthly") => temporal.client.schedule.getHandle(reportScheduleId(kind));

describe("schedules", () => {
	test("are made once, changed with the settings, and stay paused where an operator paused them", async () => {
		const [daily] = reportSchedules({ timeZone: "Europe/Berlin", hour: 6, minute: 30 });
		const [later] = reportSchedules({ timeZone: "America/New_York", hour: 7, minute: 0 });
		if (daily === undefined || later === undefined) throw new Error("there is no schedule");
		expect(await ensureSchedule(temporal.client, daily)).toBe("made");
		expect(await ensureSchedule(temporal.client, daily)).toBe("unchanged");
		await schedule("daily").pause("month end");
		expect(await ensureSchedule(temporal.client, later)).toBe("changed");
		expect(await ensureSchedule(temporal.client, later)).toBe("unchanged");
		const { spec, state, policies } = await schedule("daily").describe();
		expect(spec).toMatchObject({
			timezone: "America/New_York",
			calendars: [{ hour: [expect.objectContaining({ start: 7 })], minute: [expect.objectContaining({ start: 0 })] }],
		});
		expect(state).toMatchObject({ paused: true, note: "month end" });
		expect(policies).toMatchObject({ overlap: "BUFFER_ALL", catchupWindow: 604_800_000 });
		await schedule("daily").delete();
	});

	test("of a week begin on Monday, of a month on the first", () => {
		const specs = reportSchedules({ timeZone: "UTC", hour: 6, minute: 0 }).map(({ spec }) => spec.calendars?.[0]);
		expect(specs).toEqual([
			expect.not.objectContaining({ dayOfWeek: expect.anything() }),
			expect.objectContaining({ dayOfWeek: "MONDAY", hour: 6 }),
			expect.objectContaining({ dayOfMonth: 1, hour: 6 }),
		]);
	});
});

describe("reports by schedule", () => {
	test("are written and told once each, of the organisation and of every team that spent, whatever is killed meanwhile", async () => {
		child = await startChild();
		await until("the schedules to be there", () =>
			schedule("monthly")
				.describe()
				.then(
					() => true,
					() => false,
				),
		);
		await schedule("daily").trigger();
		const yesterday = lastFinishedPeriod("daily", Date.now(), "UTC");
		for (const least of [1, 4, 9]) {
			await until(`${least} reports to be written`, async () => (await written("daily")) >= least, 60_000);
			await child.kill();
			child = await startChild();
		}
		const teams = await sql<{ id: string }>("SELECT DISTINCT team_id AS id FROM tollgate.attempt WHERE at >= $1 AND at < $2 ORDER BY 1", [
			...[yesterday.fromMs, yesterday.toMs].map((ms) => new Date(ms).toISOString()),
		]);
		await until("all teams to be written", async () => (await written("daily")) === teams.length + 1, 120_000);
		const ids = await sql<{ team_id: string; edition: number; date: string }>(
			"SELECT team_id, edition, to_char(date, 'YYYY-MM-DD') AS date FROM tollgate.report WHERE kind = 'daily' ORDER BY team_id",
		);
		expect(ids).toEqual(["@organization", ...teams.map(({ id }) => id)].map((team_id) => ({ team_id, edition: 1, date: yesterday.date })));
		await until("the run to end", async () => (await schedule("daily").describe()).info.runningActions.length === 0, 60_000);
		const told = await sql<{ alerts: number; deliveries: number }>(
			"SELECT count(DISTINCT a.seq)::int AS alerts, count(d.*)::int AS deliveries FROM tollgate.alert a LEFT JOIN tollgate.alert_delivery d ON d.alert_seq = a.seq WHERE a.kind = 'report.daily'",
		);
		expect(told).toEqual([{ alerts: teams.length + 1, deliveries: teams.length + 1 }]);
	}, 240_000);

	test("are written and told once each, wherever in one its worker was killed: written and not told, told and nobody knows", async () => {
		const weekly = lastFinishedPeriod("weekly", Date.now(), "UTC");
		const lanes = await Promise.all([0, 1, 2].map((lane) => readSpendingTeams(client, weekly, { lane, lanes: 4, after: "", limit: 1 })));
		const [first = "", second = "", third = ""] = lanes.map(([teamId]) => teamId);
		const step = (at: HeldStatement["at"], statement: string, teamId: string): HeldStatement => ({
			at,
			statement: `tollgate.${statement}(`,
			value: `"${teamId}"`,
		});
		const rounds = [
			[step("after", "store_report", "@organization")],
			[step("after", "tell_report", "@organization")],
			[step("before", "store_report", first), step("after", "store_report", second), step("after", "tell_report", third)],
		];
		await child.kill();
		const weeklyRun = { taskQueue: "reports", workflowId: "report/killed", args: [{ kind: "weekly" }] as [ReportInput] };
		const run = await temporal.client.workflow.start<(input: ReportInput) => Promise<ReportResult>>(REPORT_WORKFLOW, weeklyRun);
		for (const held of rounds) {
			child = await startChild(held);
			await child.holdsAll();
			await child.kill();
		}
		child = await startChild();
		const teams = await sql<{ id: string }>("SELECT DISTINCT team_id AS id FROM tollgate.attempt WHERE at >= $1 AND at < $2 ORDER BY 1", [
			...[weekly.fromMs, weekly.toMs].map((ms) => new Date(ms).toISOString()),
		]);
		expect(await run.result()).toEqual({ date: weekly.date, teams: teams.length });
		const ids = ["@organization", ...teams.map(({ id }) => id)];
		const reports = await sql("SELECT team_id AS id, edition FROM tollgate.report WHERE kind = 'weekly' ORDER BY team_id");
		expect(reports).toEqual(ids.map((id) => ({ id, edition: 1 })));
		const told = await sql(
			"SELECT a.team_id AS id, count(*)::int AS deliveries FROM tollgate.alert a JOIN tollgate.alert_delivery d ON d.alert_seq = a.seq WHERE a.kind = 'report.weekly' GROUP BY a.seq ORDER BY 1",
		);
		expect(told).toEqual(ids.map((id) => ({ id, deliveries: 1 })));
	}, 240_000);

	test("of a period before the first booking end without one, and say so", async () => {
		const run = { taskQueue: "reports", args: [{ kind: "weekly", date: "2020-01-06" }] as [ReportInput] };
		const result = await temporal.client.workflow.execute<(input: ReportInput) => Promise<ReportResult>>(REPORT_WORKFLOW, {
			...run,
			workflowId: "report/none",
		});
		expect(result).toEqual({ date: null, teams: 0, problem: expect.stringContaining("is before the first booking") });
	});

	test("that somebody backfills are of the days the schedule meant, and old ones are told to nobody", async () => {
		const start = new Date(Date.now() - 13 * 86_400_000);
		start.setUTCHours(5, 0, 0, 0);
		const end = new Date(start.getTime() + 2 * 86_400_000);
		await schedule("daily").backfill({ start, end, overlap: "BUFFER_ALL" });
		const dates = [start, new Date(start.getTime() + 86_400_000)].map((day) => new Date(day.getTime() - 86_400_000).toISOString().slice(0, 10));
		await until(
			"both days to be written",
			async () =>
				(await sql("SELECT 1 FROM tollgate.report WHERE kind = 'daily' AND team_id = '@organization' AND date = ANY ($1::date[])", [dates])).length === 2,
			120_000,
		);
		expect(
			await sql("SELECT 1 FROM tollgate.alert WHERE kind = 'report.daily' AND detail ->> 'reportId' = ANY ($1)", [dates.map((date) => `daily-${date}`)]),
		).toEqual([]);
	}, 180_000);
});
