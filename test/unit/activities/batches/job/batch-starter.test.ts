import { expect, test } from "vitest";
import { BatchStarter } from "#activities/batches/job/batch-starter.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { MemoryBatchStore } from "#test/support/memory-batches.ts";

function open(batches: number) {
	const clock = { nowMs: 0 };
	const store = new MemoryBatchStore(() => 0);
	for (let number = 0; number < batches; number++) store.add({ batchId: `batch_${number}`, protocol: "openai", items: 1 });
	const told: { batchId: string; atMs: number; retriesNow: boolean }[] = [];
	const seen: string[] = [];
	const state = { isStarter: true, isAway: false, broken: "" };
	const starter = new BatchStarter({
		source: { tryLock: async () => state.isStarter, due: (most) => store.toTell(most) },
		teller: {
			async tell(batch: BatchRecord, { retriesNow }) {
				if (state.isAway) throw new CostControlError("governance.unreachable", "away");
				if (batch.batchId === state.broken) throw new Error("broken");
				told.push({ batchId: batch.batchId, atMs: clock.nowMs, retriesNow });
			},
		},
		observer: {
			told: () => undefined,
			reachabilityChanged: (isReachable) => void seen.push(isReachable ? "back" : "away"),
			roleChanged: (isStarter) => void seen.push(isStarter ? "starter" : "no starter"),
			failed: () => void seen.push("failed"),
		},
		now: () => clock.nowMs,
		wait: async (ms) => {
			clock.nowMs += ms;
		},
	});
	const cycles = async (count: number) => {
		for (let cycle = 0; cycle < count; cycle++) {
			await starter.cycle();
			clock.nowMs += 500;
		}
	};
	return { clock, store, told, seen, state, cycles };
}

test("every held batch is told once, oldest first, no more than twenty in a second", async () => {
	const { told, cycles, seen } = open(60);
	await cycles(10);
	expect(told.map(({ batchId }) => batchId)).toEqual(Array.from({ length: 60 }, (_, number) => `batch_${number}`));
	const busiest = Math.max(...told.map(({ atMs: from }) => told.filter(({ atMs }) => atMs >= from && atMs < from + 1_000).length));
	expect(busiest).toBeLessThanOrEqual(20);
	expect(seen).toEqual(["starter"]);
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
	const { told, state, cycles, seen } = open(3);
	state.isAway = true;
	await cycles(3);
	state.isAway = false;
	await cycles(1);
	expect(told).toHaveLength(3);
	expect(seen).toEqual(["starter", "away", "back"]);
});

test("one that cannot be told does not hold up the others", async () => {
	const { told, state, cycles, seen } = open(3);
	state.broken = "batch_0";
	await cycles(4);
	expect(told.map(({ batchId }) => batchId)).toEqual(["batch_1", "batch_2"]);
	expect(seen.filter((word) => word === "failed")).toHaveLength(1);
});

test("who has not the lock tells nothing", async () => {
	const { told, state, cycles, seen } = open(3);
	state.isStarter = false;
	await cycles(2);
	expect(told).toEqual([]);
	state.isStarter = true;
	await cycles(1);
	expect(told).toHaveLength(3);
	expect(seen).toEqual(["starter"]);
});
