import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findMonth } from "#activities/chargeback/read-statements.ts";
import { CloseMonthClient } from "#clients/close-month-client.ts";
import { CHARGEBACK_TASK_QUEUE, closeMonthWorkflowId, MONTH_END_SCHEDULE, MONTH_END_WORKFLOW } from "#workflows/close-month/messages.ts";
import { monthEndSchedule } from "../../workers/chargeback.ts";
import { ensureSchedule } from "../../workers/shared/ensure-schedule.ts";
import { MonthLedger } from "../support/chargeback.ts";
import { MonthWorker } from "../support/month-worker.ts";
import { startTestTemporal, type TestTemporal } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** The close of a month on Temporal and PostgreSQL as they are. Each test has a month of its own. */

let temporal: TestTemporal;
let ledger: MonthLedger;
let worker: MonthWorker;

beforeAll(async () => {
	[temporal, ledger] = await Promise.all([startTestTemporal(), MonthLedger.open()]);
	await ledger.teams("ads", "books");
	worker = await MonthWorker.start(temporal, ledger.activities());
}, 120_000);
afterAll(async () => {
	await worker?.stop();
	await temporal?.close();
	await ledger?.close();
});

const clientOf = (pacePermille = 1_000): CloseMonthClient => new CloseMonthClient({ connection: temporal.connection, client: temporal.client, pacePermille });
const handleOf = (month: string) => temporal.client.workflow.getHandle(closeMonthWorkflowId(month));
const stateOf = async (month: string) => (await findMonth(ledger.pool, month))?.state;
const waits = (month: string) => until(`${month} to wait`, async () => (await clientOf().status(month)).step === "waiting");
const alertsOf = async (month: string) =>
	(
		await ledger.pool.query<{ kind: string; is_firing: boolean; resolved: boolean }>(
			"SELECT is_firing, resolved_at IS NOT NULL AS resolved FROM tollgate.alert WHERE kind = 'statement.waiting' AND subject = $1 ORDER BY seq",
			[`month/${month}`],
		)
	).rows;

async function spend(month: string): Promise<void> {
	await ledger.book([
		{ at: `${month}-05T12:00Z`, account: "team/ads", cost: 600n },
		{ at: `${month}-06T12:00Z`, account: "team/books", cost: 100n, isUnresolved: true },
	]);
}

describe("a month whose rules ask for nobody", () => {
	test("is closed, and closed again it is what it was", async () => {
		await ledger.rules({ approval: "none" });
		await spend("2026-01");
		await clientOf().close("2026-01", "ada");
		expect(await handleOf("2026-01").result()).toEqual({ month: "2026-01", outcome: "closed", draft: 1 });
		const closed = await findMonth(ledger.pool, "2026-01");
		expect(closed).toMatchObject({ state: "closed", costNanoUsd: "700", teams: 2, askedBy: "ada", decidedBy: null });
		await clientOf().close("2026-01", "bob");
		expect(await handleOf("2026-01").result()).toEqual({ month: "2026-01", outcome: "closed", draft: null });
		expect(await findMonth(ledger.pool, "2026-01")).toEqual(closed);
		expect(await alertsOf("2026-01")).toEqual([]);
	});

	test("is closed once however many ask for it at once", async () => {
		await spend("2026-02");
		await Promise.all(["ada", "bob", "eve"].map((by) => clientOf().close("2026-02", by)));
		await handleOf("2026-02").result();
		const { rows } = await ledger.pool.query("SELECT draft FROM tollgate.statement_draft WHERE month = '2026-02-01'");
		expect(rows).toEqual([{ draft: 1 }]);
	});

	test("that is not over is refused", async () => {
		const month = new Date().toISOString().slice(0, 7);
		await clientOf().close(month, "ada");
		expect(await handleOf(month).result()).toEqual({ month, outcome: "unfinished", draft: null });
	});

	test("is closed when PostgreSQL answers again, and whichever worker then is there", async () => {
		await spend("2026-03");
		const whole = ledger.activities();
		let failures = 0;
		const away = (): Promise<never> => {
			failures++;
			return Promise.reject(new Error("PostgreSQL is away"));
		};
		worker.activities = { ...whole, shareMonthDraft: away };
		await clientOf().close("2026-03", "ada");
		await until("a step to fail", () => failures > 0);
		await worker.stop();
		worker.activities = whole;
		await worker.restart();
		expect(await handleOf("2026-03").result()).toMatchObject({ outcome: "closed", draft: 1 });
	});
});

describe("a month that waits for a person", () => {
	beforeAll(() => ledger.rules({ approval: "required", remindAfterHours: 1 }));

	test("is told once, reminded of, and closed in the name of who approves", async () => {
		await spend("2026-04");
		// A reminder after 360 ms.
		await clientOf(0.1).close("2026-04", "ada");
		await waits("2026-04");
		await until("a reminder", async () => (await alertsOf("2026-04")).length >= 2);
		expect((await alertsOf("2026-04"))[0]).toEqual({ is_firing: true, resolved: false });
		expect(await stateOf("2026-04")).toBe("drafted");
		expect(await clientOf().approve("2026-04", { by: "bob", reason: "looked at" })).toEqual({ draft: 1 });
		expect(await handleOf("2026-04").result()).toEqual({ month: "2026-04", outcome: "closed", draft: 1 });
		expect(await findMonth(ledger.pool, "2026-04")).toMatchObject({ state: "closed", decidedBy: "bob", decisionReason: "looked at" });
		expect((await alertsOf("2026-04"))[0]).toEqual({ is_firing: true, resolved: true });
	});

	test("that is rejected stays open, and is drafted anew by other rules", async () => {
		await spend("2026-05");
		await clientOf().close("2026-05", "ada");
		await waits("2026-05");
		await clientOf().reject("2026-05", { by: "bob", reason: "margins are wrong" });
		expect(await handleOf("2026-05").result()).toEqual({ month: "2026-05", outcome: "rejected", draft: 1 });
		expect(await findMonth(ledger.pool, "2026-05")).toMatchObject({ state: "rejected", decidedBy: "bob", marginNanoUsd: "0" });
		await ledger.rules({ approval: "required", remindAfterHours: 1, marginBasisPoints: 1_000 });
		await clientOf().close("2026-05", "ada");
		await waits("2026-05");
		expect(await findMonth(ledger.pool, "2026-05")).toMatchObject({ state: "drafted", draft: 2, decidedBy: null, marginNanoUsd: "70" });
		await clientOf().approve("2026-05", { by: "bob", reason: "better", draft: 2 });
		expect(await handleOf("2026-05").result()).toEqual({ month: "2026-05", outcome: "closed", draft: 2 });
	});

	test("takes no decision that names another draft, nobody, or no reason, and none twice", async () => {
		await spend("2026-06");
		await clientOf().close("2026-06", "ada");
		await waits("2026-06");
		const refused = (input: { by: string; reason: string; draft?: number }) =>
			clientOf()
				.approve("2026-06", input)
				.then(
					() => "taken",
					(error: Error & { code: string }) => `${error.code}: ${error.message}`,
				);
		expect(await refused({ by: "bob", reason: "ok", draft: 7 })).toContain("admin.conflict: draft 1 of month 2026-06 waits, not 7");
		expect(await refused({ by: "", reason: "ok" })).toContain("admin.invalid: by ");
		expect(await refused({ by: "bob", reason: "" })).toContain("admin.invalid: reason ");
		expect(await stateOf("2026-06")).toBe("drafted");
		// Both reach it before either is carried out, or the second finds it over.
		await worker.stop();
		const both = Promise.all([refused({ by: "bob", reason: "one" }), refused({ by: "eve", reason: "two" })]);
		await worker.restart();
		expect((await both).filter((said) => said === "taken")).toHaveLength(1);
		expect(await handleOf("2026-06").result()).toMatchObject({ outcome: "closed" });
		expect(await refused({ by: "eve", reason: "three" })).toContain("admin.conflict: this month does not wait for approval");
	});
});

describe("the schedule", () => {
	test("is made once, and follows the calendar of the rules; one that is paused stays so", async () => {
		expect(await ensureSchedule(temporal.client, monthEndSchedule("UTC"))).toBe("made");
		expect(await ensureSchedule(temporal.client, monthEndSchedule("UTC"))).toBe("unchanged");
		const schedule = temporal.client.schedule.getHandle(MONTH_END_SCHEDULE);
		await schedule.pause("for a test");
		expect(await ensureSchedule(temporal.client, monthEndSchedule("Europe/Berlin"))).toBe("changed");
		const { spec, state, info } = await schedule.describe();
		expect([spec.timezone, state.paused, spec.calendars?.map(({ dayOfMonth, hour }) => [dayOfMonth, hour])]).toEqual([
			"Europe/Berlin",
			true,
			[[[{ start: 1, end: 1, step: 1 }], [{ start: 2, end: 2, step: 1 }]]],
		]);
		// The first of a month, at two in the night there.
		expect(info.nextActionTimes[0]?.toLocaleString("en-GB", { timeZone: "Europe/Berlin" })).toMatch(/^01\/\d\d\/\d{4}, 02:00:00$/);
	});

	test("begins every finished month that was left out, whoever began one already", async () => {
		await ledger.rules({ approval: "none" });
		const [, last = ""] = /^(\d{4}-\d\d)/.exec(new Date(Date.now() - 32 * 86_400_000).toISOString()) ?? [];
		const result = await temporal.client.workflow.execute(MONTH_END_WORKFLOW, { taskQueue: CHARGEBACK_TASK_QUEUE, workflowId: "month-end/by-hand", args: [] });
		const { months } = result as { months: string[] };
		expect(months).toContain("2026-07");
		expect(months).not.toContain("2026-06");
		expect(months.every((month) => month > "2026-06")).toBe(true);
		expect(months.at(-1)! >= last).toBe(true);
		for (const month of months) expect(await handleOf(month).result()).toMatchObject({ outcome: "closed" });
	});
});
