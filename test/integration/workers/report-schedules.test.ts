import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isGrpcDeadlineError } from "@temporalio/client";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findFreePort } from "#activities/process/free-port.ts";
import { lastFinishedPeriod } from "#domain/reports/report-period.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { RoleProcesses } from "#test/support/role-process.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { REPORT_WORKFLOW, reportScheduleId } from "#workflows/report/messages.ts";
import { generateLedger } from "../../../bench/books/generate-ledger.ts";
import { reportSchedules } from "../../../workers/reports.ts";
import { ensureSchedule } from "../../../workers/shared/ensure-schedule.ts";

/**
 * Schedules that come due by themselves, at the next minute of the clock that is far enough away: one while everything runs, one while neither Temporal nor a
 * worker does.
 */
const MINUTE_MS = 60_000;
/** So long it takes at most to make the schedules. */
const MAKING_MS = 15_000;
let folder: string;
let roles: RoleProcesses;
const closes: (() => Promise<void>)[] = [];
/** Those that run. */
const servers = new Set<TestTemporal>();

beforeAll(async () => {
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-schedules-"));
	roles = await RoleProcesses.open();
}, 60_000);
afterAll(async () => {
	await roles?.close();
	for (const temporal of servers) await temporal.close();
	for (const close of closes) await close();
	await rm(folder, { recursive: true, force: true });
});

async function openBooks(seed: number): Promise<{ readonly database: TestDatabase; readonly client: pg.Client }> {
	const database = await createTestDatabase();
	const client = new pg.Client({ connectionString: database.url });
	await client.connect();
	closes.push(async () => {
		await client.end();
		await database.close();
	});
	await generateLedger(client, { attempts: 400, days: 10, seed }, () => undefined);
	await client.query("INSERT INTO tollgate.alert_channel (name, kind) VALUES ('chat', 'slack')");
	await client.query("INSERT INTO tollgate.alert_route (team_id, channel) SELECT id, 'chat' FROM tollgate.team UNION ALL SELECT '@organization', 'chat'");
	return { database, client };
}

async function openTemporal(port: number, databaseFile: string): Promise<TestTemporal> {
	const temporal = await startTestTemporal({ port, databaseFile });
	servers.add(temporal);
	return temporal;
}

const daily = ({ client }: TestTemporal) => client.schedule.getHandle(reportScheduleId("daily"));
const runsOf = async (temporal: TestTemporal) => (await daily(temporal).describe()).info.recentActions;
const hasRun = (temporal: TestTemporal) =>
	runsOf(temporal).then(
		(runs) => runs.length > 0,
		(error: unknown) => {
			// A server that has just come back may not know its schedules yet.
			if (isGrpcDeadlineError(error)) return false;
			throw error;
		},
	);

/** One report of the organisation and of every team that spent on that day, each told once. */
async function expectWrittenOnce(client: pg.Client, dueAt: Date): Promise<void> {
	const day = lastFinishedPeriod("daily", dueAt.getTime(), "UTC");
	const { rows: teams } = await client.query<{ id: string }>("SELECT DISTINCT team_id AS id FROM tollgate.attempt WHERE at >= $1 AND at < $2 ORDER BY 1", [
		...[day.fromMs, day.toMs].map((ms) => new Date(ms).toISOString()),
	]);
	const ids = ["@organization", ...teams.map(({ id }) => id)];
	const { rows: reports } = await client.query(
		"SELECT team_id AS id, kind, edition, to_char(date, 'YYYY-MM-DD') AS date FROM tollgate.report WHERE kind = 'daily' ORDER BY team_id",
	);
	expect(reports).toEqual(ids.map((id) => ({ id, kind: "daily", edition: 1, date: day.date })));
	const { rows: told } = await client.query(
		"SELECT a.team_id AS id, count(d.*)::int AS deliveries FROM tollgate.alert a JOIN tollgate.alert_delivery d ON d.alert_seq = a.seq WHERE a.kind = 'report.daily' GROUP BY a.seq ORDER BY 1",
	);
	expect(told).toEqual(ids.map((id) => ({ id, deliveries: 1 })));
}

async function expectOneRun(temporal: TestTemporal, dueAt: Date): Promise<void> {
	await until("the run to end", async () => (await daily(temporal).describe()).info.runningActions.length === 0, 60_000);
	const [run, ...more] = await runsOf(temporal);
	expect([run?.scheduledAt, more]).toEqual([dueAt, []]);
	const workflowId = run?.action.type === "startWorkflow" ? run.action.workflow.workflowId : "";
	expect(await temporal.client.workflow.getHandle(workflowId).describe()).toMatchObject({ type: REPORT_WORKFLOW, status: { name: "COMPLETED" } });
}

test("a report is written when its time comes, and a run that was missed while all were away is made up for, once each", async () => {
	const [present, missed] = await Promise.all([openBooks(3), openBooks(4)]);
	const [port, awayPort] = [await findFreePort(), await findFreePort()];
	const [temporal, away] = await Promise.all([openTemporal(port, path.join(folder, "present.db")), openTemporal(awayPort, path.join(folder, "away.db"))]);
	const dueAt = new Date(Math.ceil((Date.now() + MAKING_MS) / MINUTE_MS) * MINUTE_MS);
	const reports = { timeZone: "UTC", hour: dueAt.getUTCHours(), minute: dueAt.getUTCMinutes() };
	for (const { client } of [temporal, away]) for (const schedule of reportSchedules(reports)) expect(await ensureSchedule(client, schedule)).toBe("made");
	for (const server of [temporal, away]) expect((await daily(server).describe()).info.nextActionTimes[0]).toEqual(dueAt);
	servers.delete(away);
	await away.close();
	await roles.start({ role: "reports", databaseUrl: present.database.url, temporalAddress: temporal.address, reports });

	await until("the schedule to begin a run", () => hasRun(temporal), 2 * MINUTE_MS);
	await expectOneRun(temporal, dueAt);
	await expectWrittenOnce(present.client, dueAt);

	expect((await missed.client.query("SELECT FROM tollgate.report")).rowCount).toBe(0);
	const back = await openTemporal(awayPort, path.join(folder, "away.db"));
	await until("the schedule to make up for its run", () => hasRun(back), MINUTE_MS);
	// Without a worker it waits.
	expect((await missed.client.query("SELECT FROM tollgate.report")).rowCount).toBe(0);
	await roles.start({ role: "reports", databaseUrl: missed.database.url, temporalAddress: back.address, reports });
	await expectOneRun(back, dueAt);
	await expectWrittenOnce(missed.client, dueAt);
}, 300_000);
