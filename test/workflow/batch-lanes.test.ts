import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CallOutcome } from "#activities/batches/job/real-time.ts";
import { BatchJobClient } from "#clients/batch-job-client.ts";
import type { TurnaroundEstimate } from "#domain/batching/turnaround.ts";
import { BATCH_TASK_QUEUE, batchJobWorkflowId } from "#workflows/batch-job/messages.ts";
import { RealTimeStand } from "../support/real-time-stand.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** The job of a collected batch on the real server: rows in PostgreSQL, calls to the simulated provider, the real clock. */
let temporal: TestTemporal;
let stand: RealTimeStand;
beforeAll(async () => {
	[temporal, stand] = await Promise.all([startTestTemporal(), RealTimeStand.open()]);
}, 120_000);
afterAll(async () => {
	await stand?.close();
	await temporal?.close();
});

/** A hundredth of the ordinary delays. */
const PACE_PERMILLE = 10;
const HALF_A_SECOND: TurnaroundEstimate = {
	...{ quantileMs: 500, lateShare: 0.1, source: "all_hours", samples: 100, inFlight: 0 },
	curve: { timesMs: [500], shares: [0] },
};

test("one batch goes three ways: at once, with its provider's batch, and in real time beside that when it does not come", async () => {
	// Of the only batch that there is.
	const [number, hedge] = ["1", "batch1-1-8"];
	const activities = stand.activities({
		// It ends when it was overtaken.
		script: { pollsToEnd: () => (stand.billed(number).includes(hedge) ? 1 : Number.POSITIVE_INFINITY) },
		turnaround: HALF_A_SECOND,
		times: { realTimeP99Ms: 600, marginMs: 3_000 },
		wallClockMs: Date.now,
	});
	const worker = await Worker.create({
		...{ connection: temporal.nativeConnection, taskQueue: BATCH_TASK_QUEUE, activities },
		workflowBundle: await testWorkflowBundle(),
	});
	const now = Date.now();
	const batchId = await stand.held([{ deadlineMs: now + 3_500 }, { deadlineMs: null }, { deadlineMs: null }, { deadlineMs: now + 12_000 }]);
	expect((await stand.batch(batchId)).number).toBe(number);
	await worker.runUntil(async () => {
		const { connection, client } = temporal;
		await new BatchJobClient({ connection, client, pacePermille: PACE_PERMILLE }).tell(await stand.batch(batchId), { retriesNow: false });
		await client.workflow.getHandle(batchJobWorkflowId(batchId)).result();
	});
	expect((await stand.outcomes(batchId)).map(({ outcome, lane, outcome_try }) => [outcome, lane, outcome_try])).toEqual([
		["succeeded", "real_time", 1],
		["succeeded", "batch", 1],
		["succeeded", "batch", 1],
		["succeeded", "real_time", 2],
	]);
	expect(stand.billed(number)).toEqual([`batch${number}-1-1`, hedge]);
	const entries = await stand.deferred.batches.entries(batchId);
	expect(entries.map(({ attempt_id, reason }) => [attempt_id, reason])).toEqual([
		[`batch${number}-1-1`, null],
		[`batch${number}-1-2`, null],
		[`batch${number}-1-3`, null],
		[`batch${number}-1-4`, "duplicate"],
		[hedge, null],
	]);
	expect(await stand.findings(batchId)).toEqual([]);
	const { deferred } = stand.deferred;
	const records = await deferred.listDeferred("demo", { after: null, limit: 10 });
	expect(records.map(({ status, isLate }) => [status, isLate])).toEqual(Array.from({ length: 4 }, () => ["succeeded", false]));
}, 60_000);

const ANSWER = '{"id":"c","model":"gpt-test","usage":{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105},"choices":[]}';

test("a call that nobody answers holds up nothing else: the batch beside it is handed in, read and delivered meanwhile", async () => {
	const answered = Promise.withResolvers<CallOutcome>();
	const activities = stand.activities({
		script: { pollsToEnd: 1 },
		turnaround: HALF_A_SECOND,
		times: { realTimeP99Ms: 600, marginMs: 3_000 },
		wallClockMs: Date.now,
		call: () => answered.promise,
	});
	const worker = await Worker.create({
		...{ connection: temporal.nativeConnection, taskQueue: BATCH_TASK_QUEUE, activities },
		workflowBundle: await testWorkflowBundle(),
	});
	const batchId = await stand.held([{ deadlineMs: Date.now() + 3_500 }, { deadlineMs: null }]);
	const outcomes = async () => (await stand.outcomes(batchId)).map(({ outcome, lane }) => [outcome, lane]);
	const { deferred } = stand.deferred;
	const statuses = async () => (await deferred.listDeferred("demo", { after: null, limit: 2 })).map(({ status }) => status);
	await worker.runUntil(async () => {
		const { connection, client } = temporal;
		await new BatchJobClient({ connection, client, pacePermille: PACE_PERMILLE }).tell(await stand.batch(batchId), { retriesNow: false });
		await until("the answer of the batch", async () => (await statuses()).includes("succeeded"));
		expect(await outcomes()).toEqual([
			[null, "real_time"],
			["succeeded", "batch"],
		]);
		answered.resolve({ kind: "answered", httpStatus: 200, requestId: null, body: ANSWER });
		await client.workflow.getHandle(batchJobWorkflowId(batchId)).result();
	});
	expect(await outcomes()).toEqual([
		["succeeded", "real_time"],
		["succeeded", "batch"],
	]);
	expect(await statuses()).toEqual(["succeeded", "succeeded"]);
}, 60_000);
