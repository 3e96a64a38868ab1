import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batchCollectorWorkflowId } from "#clients/batch-collector-client.ts";
import { CollectorWorker } from "../support/collector-worker.ts";
import type { MemoryCollector } from "../support/memory-collector.ts";
import { startTestTemporal, type TestTemporal } from "../support/temporal.ts";
import { until } from "../support/until.ts";

let temporal: TestTemporal;
let worker: CollectorWorker;

beforeAll(async () => {
	temporal = await startTestTemporal();
	worker = await CollectorWorker.start(temporal);
}, 120_000);
afterAll(async () => {
	await worker?.stop();
	await temporal?.close();
});

const HOUR_MS = 3_600_000;
/** Items are collected for longer than any test takes: whatever goes, goes for another reason than its age. */
const SLOW = { pacePermille: 1_000 };
const handleOf = ({ scope }: MemoryCollector) => temporal.client.workflow.getHandle(batchCollectorWorkflowId(scope));
const eventsOf = async (collector: MemoryCollector) => (await handleOf(collector).fetchHistory()).events ?? [];
const detailsOf = async (collector: MemoryCollector) =>
	(await handleOf(collector).query<{ currentDetails: string }>("__temporal_workflow_metadata")).currentDetails;
const statusOf = (collector: MemoryCollector) => worker.clientOf().status(collector.scope);
const flushed = (collector: MemoryCollector, batches: number) => until(`${batches} batches to be held`, () => collector.held.length === batches);
/** Its workflow knows what there is. */
const looked = (collector: MemoryCollector) => until("the workflow to look", async () => (await statusOf(collector)).state.picture !== null);

describe("items that wait", () => {
	test("go when the first is old enough, and the next begin another batch", async () => {
		const collector = worker.open();
		collector.add(3);
		await worker.tell(collector);
		await flushed(collector, 1);
		collector.add(1);
		await worker.tell(collector);
		await flushed(collector, 2);
		expect(collector.held.map(({ items }) => items.length)).toEqual([3, 1]);
		const { state } = await statusOf(collector);
		// One item alone is never quiet.
		expect(state).toMatchObject({ flushes: 2, flushedItems: 4, lastFlush: { reason: "age", items: 1 } });
	});

	test("go when they fill a batch, however soon after the one before", async () => {
		const collector = worker.open();
		collector.add(90);
		await worker.tell(collector, SLOW);
		await flushed(collector, 1);
		collector.add(90);
		await worker.tell(collector, SLOW);
		await flushed(collector, 2);
		expect((await statusOf(collector)).state.lastFlush).toMatchObject({ reason: "count" });
	});

	test("go when a deadline leaves no more than a batch needs", async () => {
		const collector = worker.open();
		collector.add(1);
		await worker.tell(collector, SLOW);
		await looked(collector);
		collector.add(1, { deadlineMs: Date.now() + HOUR_MS + 1_000 });
		await worker.tell(collector, SLOW);
		await flushed(collector, 1);
		expect((await statusOf(collector)).state.lastFlush).toMatchObject({ reason: "latest_start", items: 2 });
	});

	test("whose deadline no batch can keep go in time for a call", async () => {
		const collector = worker.open();
		const deadlineMs = Date.now() + 2_500;
		collector.add(1, { deadlineMs });
		await worker.tell(collector, SLOW);
		await flushed(collector, 1);
		const { lastFlush } = (await statusOf(collector)).state;
		expect(lastFlush).toMatchObject({ reason: "real_time" });
		expect(lastFlush?.atMs).toBeGreaterThanOrEqual(deadlineMs - 360);
	});

	test("wait while the provider takes no batch, and go when it does", async () => {
		const collector = worker.open();
		collector.limits = { ...collector.limits, batchesPerHour: 1 };
		collector.submitted = 1;
		collector.add(2, { arrivedAtMs: Date.now() - 2_000 });
		await worker.tell(collector);
		await until("the workflow to look again", async () => (await eventsOf(collector)).filter(({ timerFiredEventAttributes: fired }) => fired).length > 1);
		expect(await detailsOf(collector)).toContain("the provider takes no more batches at the moment");
		expect(collector.held).toEqual([]);
		collector.submitted = 0;
		await flushed(collector, 1);
	});

	test("are not sent as quiet when another came at the last moment", async () => {
		const collector = worker.open();
		collector.add(2, { arrivedAtMs: Date.now() - 60_000 });
		collector.beforeFlush = () => {
			collector.add(1);
			collector.beforeFlush = () => undefined;
		};
		await worker.tell(collector, SLOW);
		await until("the flush to be refused", () => collector.collecting[0]?.items.length === 3);
		await until("it to be looked at again", async () => (await statusOf(collector)).state.picture?.batches[0]?.tally.items === 3);
		expect(collector.held).toEqual([]);
	});

	test("at two prices go each in a batch of its own", async () => {
		const collector = worker.open();
		collector.add(1, {}, 1);
		collector.add(2, {}, 2);
		await worker.tell(collector);
		await flushed(collector, 2);
	});
});

describe("an operator", () => {
	test("sends what waits now, and is told how much that was", async () => {
		const collector = worker.open();
		collector.add(7);
		await worker.tell(collector, SLOW);
		expect(await worker.clientOf().flushNow(collector.scope, "ann")).toEqual({ isDone: true, batches: 1, items: 7 });
		expect(collector.held).toHaveLength(1);
		expect(await worker.clientOf().flushNow(collector.scope, "ann")).toEqual({ isDone: true, batches: 0, items: 0 });
	});

	test("without a name is refused, and leaves no trace; without a collector there is nothing to send", async () => {
		const collector = worker.open();
		await expect(worker.clientOf().flushNow(collector.scope, "ann")).rejects.toMatchObject({ code: "batch.missing" });
		collector.add(1);
		await worker.tell(collector, SLOW);
		await looked(collector);
		const events = (await eventsOf(collector)).length;
		await expect(worker.clientOf().flushNow(collector.scope, "")).rejects.toMatchObject({ code: "admin.invalid", details: { field: "by" } });
		expect((await eventsOf(collector)).filter(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => accepted)).toEqual([]);
		expect((await eventsOf(collector)).length - events).toBeLessThanOrEqual(0);
	});

	test("who cancels the workflow loses nothing: what waits goes, and it ends", async () => {
		const collector = worker.open();
		collector.add(4);
		await worker.tell(collector, SLOW);
		await looked(collector);
		await handleOf(collector).cancel();
		await handleOf(collector).result();
		expect(collector.held.map(({ items }) => items.length)).toEqual([4]);
		collector.add(1);
		await worker.tell(collector);
		await flushed(collector, 2);
	});

	test("reads what waits, since when, when it goes and why, and what the provider takes", async () => {
		const collector = worker.open();
		collector.limits = { ...collector.limits, batchesPerHour: 10, enqueuedTokensMax: 5_000 };
		collector.add(3, { deadlineMs: Date.now() + 48 * HOUR_MS });
		await worker.tell(collector, SLOW);
		await looked(collector);
		const details = await detailsOf(collector);
		expect(details).toMatch(/^## Items of team team\d+ for openai\/m-1: collecting\n/);
		expect(details).toMatch(/- `batch_team\d+_1`: 3 items wait since 20\S+Z, 0\.0000003 USD held, earliest deadline 20\S+Z\./);
		expect(details).toMatch(/ At 20\S+Z at the latest: its first item has waited long enough\.\n/);
		expect(details).toContain("Nine of ten of the provider's batches end within 60 minutes: 200 batches that ended lately");
		expect(details).toContain("It takes 10 more within this hour.");
		expect(details).toContain("Of 5000 prompt tokens that may wait there, 0 do.");
		expect(details).toContain('`flushNow` `{"by":"YOUR NAME"}`');
	});
});

describe("the workflow", () => {
	test("costs at most 15 events a flush, whatever it holds", async () => {
		const [few, many] = [worker.open(), worker.open()];
		many.limits = { ...many.limits, itemsMax: 1_000_000 };
		const events: number[][] = [];
		for (const [collector, items] of [
			[few, 1],
			[many, 10_000],
		] as const) {
			const counts: number[] = [];
			for (const flushes of [1, 2, 3]) {
				collector.add(items);
				await worker.tell(collector);
				await flushed(collector, flushes);
				await until("it to wait", async () => (await statusOf(collector)).state.flushes === flushes);
				counts.push((await eventsOf(collector)).length);
			}
			events.push(counts);
		}
		const perFlush = events.map((counts) => counts.map((count, at) => count - (counts[at - 1] ?? 0)));
		for (const [, ...later] of perFlush) for (const count of later) expect(count).toBeLessThanOrEqual(15);
		expect(perFlush[0]?.[0]).toBeLessThanOrEqual(18);
	});

	test("goes on by itself when PostgreSQL answers again", async () => {
		const collector = worker.open();
		collector.add(2);
		collector.isAway = true;
		await worker.tell(collector);
		await until("its task to fail", async () => (await eventsOf(collector)).some(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled));
		collector.isAway = false;
		await flushed(collector, 1);
	});

	test("begins a new run of itself with what it knows", async () => {
		const collector = worker.open();
		collector.add(1);
		await worker.tell(collector, { eventsPerRun: 10 });
		await flushed(collector, 1);
		const { runId } = await handleOf(collector).describe();
		for (let flushes = 2; flushes <= 4; flushes++) {
			collector.add(1);
			await worker.tell(collector);
			await flushed(collector, flushes);
		}
		expect((await handleOf(collector).describe()).runId).not.toBe(runId);
		await until("all to be counted", async () => (await statusOf(collector)).state.flushes === 4);
	});

	test("ends when nothing waited for long, and the next item begins it again", async () => {
		const collector = worker.open();
		collector.add(1, { arrivedAtMs: Date.now() - HOUR_MS });
		await worker.tell(collector, { pacePermille: 0.01 });
		await handleOf(collector).result();
		expect(collector.held).toHaveLength(1);
		collector.add(1, { arrivedAtMs: Date.now() - HOUR_MS });
		await worker.tell(collector);
		await flushed(collector, 2);
	});

	test("takes signals of any shape without harm", async () => {
		const collector = worker.open();
		collector.add(1);
		await worker.tell(collector);
		for (const told of [null, 7, { batchId: 3 }]) await handleOf(collector).signal("itemsCollected", told);
		await flushed(collector, 1);
	});

	test("is found by its team", async () => {
		const collector = worker.open();
		collector.add(1);
		await worker.tell(collector);
		const query = `TollgateTeam = '${collector.scope.teamId}' AND TollgateState = 'collecting' AND WorkflowType = 'batchCollectorWorkflow'`;
		await until("the list", async () => {
			for await (const _ of temporal.client.workflow.list({ query })) return true;
			return false;
		});
	});
});
