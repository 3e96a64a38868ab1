import { expect, test } from "vitest";
import { BatchStarter } from "#activities/batches/job/batch-starter.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import { MemoryBatchStore } from "#test/support/memory-batches.ts";
import { busiestSecond, StarterStand } from "#test/support/starter-stand.ts";

function open(batches: number) {
	const stand = new StarterStand();
	const { clock, state, words } = stand;
	const store = new MemoryBatchStore(() => 0);
	for (let number = 0; number < batches; number++) store.add({ batchId: `batch_${number}`, protocol: "openai", items: 1 });
	const told: { batchId: string; atMs: number; retriesNow: boolean }[] = [];
	const starter = new BatchStarter({
		...stand.options,
		source: { tryLock: async () => state.isStarter, due: (most) => store.toTell(most) },
		teller: {
			async tell({ batchId }: BatchRecord, { retriesNow }) {
				stand.take(batchId);
				told.push({ batchId, atMs: clock.nowMs, retriesNow });
			},
		},
	});
	return { clock, store, told, words, state, cycles: (count: number) => stand.cycles(starter, count, 500) };
}

test("every held batch is told once, oldest first, no more than twenty in a second", async () => {
	const { told, cycles, words } = open(60);
	await cycles(10);
	expect(told.map(({ batchId }) => batchId)).toEqual(Array.from({ length: 60 }, (_, number) => `batch_${number}`));
	expect(busiestSecond(told.map(({ atMs }) => atMs))).toBeLessThanOrEqual(20);
	expect(words).toEqual(["starter"]);
});

test("what a workflow took up is told no more; what none took up is told again after a minute", async () => {
	const { told, store, cycles, clock } = open(2);
	await cycles(1);
	await store.move("batch_0", "running", {});
	clock.nowMs += 60_000;
	await cycles(1);
	expect(told.map(({ batchId }) => batchId)).toEqual(["batch_0", "batch_1", "batch_1"]);
});

test("a batch that is to end is told so at once, and does what waits", async () => {
	const { told, store, cycles } = open(1);
	await cycles(1);
	await store.move("batch_0", "running", {});
	await store.askCancel("batch_0");
	await cycles(2);
	expect(told.map(({ retriesNow }) => retriesNow)).toEqual([false, true]);
});

test("with Temporal away nothing is lost, and it is said once", async () => {
	const { told, state, cycles, words } = open(3);
	state.isAway = true;
	await cycles(3);
	state.isAway = false;
	await cycles(1);
	expect(told).toHaveLength(3);
	expect(words).toEqual(["starter", "away", "back"]);
});

test("one that cannot be told does not hold up the others", async () => {
	const { told, state, cycles, words } = open(3);
	state.broken = "batch_0";
	await cycles(4);
	expect(told.map(({ batchId }) => batchId)).toEqual(["batch_1", "batch_2"]);
	expect(words.filter((word) => word === "failed")).toHaveLength(1);
});

test("who has not the lock tells nothing", async () => {
	const { told, state, cycles, words } = open(3);
	state.isStarter = false;
	await cycles(2);
	expect(told).toEqual([]);
	state.isStarter = true;
	await cycles(1);
	expect(told).toHaveLength(3);
	expect(words).toEqual(["starter"]);
});
