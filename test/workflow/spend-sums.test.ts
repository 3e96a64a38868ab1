import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSpendActivities, type SpendActivities } from "#activities/spend/activities.ts";
import { countSpend } from "#activities/spend/count-spend.ts";
import { SpendSumsClient } from "#clients/spend-sums-client.ts";
import { TestLedger } from "#test/support/test-ledger.ts";
import { SPEND_SUMS_SCHEDULE, SPEND_SUMS_TASK_QUEUE, SPEND_SUMS_WORKFLOW, type SpendSumsInput, type SpendSumsResult } from "#workflows/spend-sums/messages.ts";
import { SPEND_SUMS } from "../../workers/reports.ts";
import { ensureSchedule } from "../../workers/shared/ensure-schedule.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** The sums of spend on Temporal and PostgreSQL as they are. */

let temporal: TestTemporal;
let ledger: TestLedger;
let activities: SpendActivities;
let stopWorker: () => Promise<void> = async () => undefined;

beforeAll(async () => {
	[temporal, ledger] = await Promise.all([startTestTemporal(), TestLedger.open()]);
	activities = ordinary();
	await restartWorker();
}, 120_000);
afterAll(async () => {
	await stopWorker();
	await temporal?.close();
	await ledger?.close();
});

const ordinary = (): SpendActivities =>
	createSpendActivities({ database: ledger.client, countSome: async () => (await countSpend(ledger.client)).isComplete, heartbeat: () => undefined });

async function restartWorker(): Promise<void> {
	await stopWorker();
	const worker = await Worker.create({
		connection: temporal.nativeConnection,
		taskQueue: SPEND_SUMS_TASK_QUEUE,
		workflowBundle: await testWorkflowBundle(),
		activities: { countSpendBooked: () => activities.countSpendBooked(), recountSpendDay: (input: { day: string }) => activities.recountSpendDay(input) },
		stickyQueueScheduleToStartTimeout: "1 second",
	});
	const running = worker.run();
	stopWorker = async () => {
		worker.shutdown();
		await running;
	};
}

const dayAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
const handleOf = (workflowId: string) => temporal.client.workflow.getHandle<(input: SpendSumsInput) => Promise<SpendSumsResult>>(workflowId);
const callsCounted = async () => (await ledger.sql<{ calls: number }>("SELECT coalesce(sum(calls), 0)::int AS calls FROM tollgate.spend_hour"))[0]?.calls;

test("days are counted anew once each, whichever worker is there, and whoever asks for the same days joins", async () => {
	await ledger.settle({ n: 1 }, { n: 2 });
	await countSpend(ledger.client);
	await ledger.sql("UPDATE tollgate.spend_hour SET calls = 50");
	await ledger.settle({ n: 3 });
	const whole = ordinary();
	const [first, second, third] = [dayAgo(2), dayAgo(1), dayAgo(0)];
	const done: string[] = [];
	let failures = 0;
	activities = {
		...whole,
		recountSpendDay: async (input) => {
			if (input.day === second && failures++ < 2) throw new Error("PostgreSQL is away");
			await whole.recountSpendDay(input);
			done.push(input.day);
		},
	};
	const client = new SpendSumsClient(temporal);
	const days = { from: first, to: third };
	const { workflowId } = await client.recount(days, "ada");
	expect(await client.recount(days, "bob")).toEqual({ workflowId });
	await until("the second day to fail", () => Promise.resolve(failures > 0));
	await restartWorker();
	expect(await handleOf(workflowId).result()).toEqual({ recountedDays: 3 });
	expect(done).toEqual([first, second, third]);
	expect(await callsCounted()).toBe(3);
	expect(await (await handleOf(workflowId).describe()).staticSummary()).toBe(`Sums of spend from ${days.from} to ${days.to}`);
}, 60_000);

test("a day of an archived month ends it with words, and no other day is tried", async () => {
	const month = dayAgo(0).slice(0, 7);
	const day = `${month}-01`;
	await ledger.sql("INSERT INTO tollgate.archived_month VALUES ($1::date, 0, 0, '', 'month.jsonl', '', DEFAULT, 'ada')", [day]);
	activities = ordinary();
	const { workflowId } = await new SpendSumsClient(temporal).recount({ from: day, to: day }, "ada");
	await expect(handleOf(workflowId).result()).rejects.toMatchObject({
		cause: { cause: { type: "admin.conflict", message: expect.stringContaining("archived") } },
	});
	await ledger.sql("DELETE FROM tollgate.archived_month");
}, 60_000);

test.each([
	{ from: "2026-10-02", to: "2026-10-01" },
	{ from: "2016-01-01", to: "2026-01-01" },
	{ from: "yesterday", to: "today" },
])(
	"%j is no span: refused before anything is counted",
	async (recount) => {
		let counted = 0;
		activities = { ...ordinary(), countSpendBooked: async () => void counted++ };
		const run = temporal.client.workflow.execute(SPEND_SUMS_WORKFLOW, {
			workflowId: `spend-sums/${recount.from}`,
			taskQueue: SPEND_SUMS_TASK_QUEUE,
			args: [{ recount }],
		});
		await expect(run).rejects.toMatchObject({ cause: { type: "admin.invalid" } });
		expect(counted).toBe(0);
	},
	60_000,
);

test("the schedule counts what was booked", async () => {
	activities = ordinary();
	const before = (await callsCounted()) ?? 0;
	await ledger.settle({ n: 4 });
	expect(await ensureSchedule(temporal.client, SPEND_SUMS)).toBe("made");
	expect(await ensureSchedule(temporal.client, SPEND_SUMS)).toBe("unchanged");
	await temporal.client.schedule.getHandle(SPEND_SUMS_SCHEDULE).trigger();
	await until("the call to be counted", async () => (await callsCounted()) === before + 1);
}, 60_000);
