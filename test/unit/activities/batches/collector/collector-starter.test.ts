import { expect, test } from "vitest";
import type { ItemsCollected, SeenBatch } from "#activities/batches/collector/collector-port.ts";
import { CollectorStarter } from "#activities/batches/collector/collector-starter.ts";
import { COLLECT_AGE_MS, type CollectedItem, QUIET_MIN_MS, tallyOf } from "#domain/batching/collect.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { STARTS_AT_MS } from "#test/support/collector-pictures.ts";
import { collectorScope } from "#test/support/memory-collector.ts";
import { busiestSecond, StarterStand } from "#test/support/starter-stand.ts";

type Row = { readonly scope: CollectorScope; version: number; readonly items: CollectedItem[]; isHeld: boolean };

const ITEM: CollectedItem = { bytes: 100, boundInputTokens: 10, arrivedAtMs: STARTS_AT_MS, deadlineMs: null };

/** Rows, and what a starter meets. */
function open(batches: number) {
	const stand = new StarterStand();
	const { clock, words } = stand;
	const state = Object.assign(stand.state, { tallies: 0 });
	const rows = new Map<string, Row>();
	const add = (batchId: string, scope: Partial<CollectorScope> = {}) =>
		rows.set(batchId, { scope: collectorScope({ teamId: batchId, ...scope }), version: 1, items: [ITEM], isHeld: false });
	for (let number = 0; number < batches; number++) add(`batch_${number}`);
	const told: (ItemsCollected & { readonly teamId: string; readonly atMs: number })[] = [];
	const starter = new CollectorStarter({
		...stand.options,
		source: {
			tryLock: async () => state.isStarter,
			seen: async (after, most) =>
				[...rows.entries()]
					.map(([batchId, { scope, version, items, isHeld }], index) => ({
						seen: {
							...{ number: String(index + 1), batchId, version: String(version), items: items.length, changedAtMs: 0 },
							...{ clockMs: STARTS_AT_MS + clock.nowMs, scope },
						} satisfies SeenBatch,
						isHeld,
					}))
					.flatMap(({ seen, isHeld }) => (isHeld || Number(seen.number) <= Number(after) ? [] : [seen]))
					.slice(0, most),
			tally: async (batchId) => {
				state.tallies++;
				const row = rows.get(batchId);
				return row === undefined || row.isHeld ? undefined : tallyOf(row.items, { itemOverheadBytes: 256 });
			},
		},
		teller: {
			async tell({ teamId }, collected) {
				stand.take(collected.batchId);
				told.push({ ...collected, teamId, atMs: clock.nowMs });
			},
		},
		limitsOf: () => ({
			...{
				itemsMax: 100,
				bytesMax: 1e9,
				embeddingInputsMax: undefined,
				batchesPerHour: undefined,
				enqueuedTokensMax: undefined,
				windowMs: 1,
				resultsKeptMs: 1,
			},
		}),
	});
	/** Further items of a batch, which came now. */
	const come = (batchId: string, of: Partial<CollectedItem> = {}, items = 1) => {
		const row = rows.get(batchId);
		if (row === undefined) throw new Error(`no batch ${batchId}`);
		row.version++;
		for (let item = 0; item < items; item++) row.items.push({ ...ITEM, arrivedAtMs: STARTS_AT_MS + clock.nowMs, ...of });
	};
	const cycles = (count: number) => stand.cycles(starter, count, 1_000);
	const reasons = (batchId = "batch_0") => told.filter((each) => each.batchId === batchId).map(({ reason }) => reason);
	return { clock, rows, add, told, words, state, come, cycles, reasons };
}

test("every collector is told once, with sums alone, no more than twenty in a second", async () => {
	const { told, cycles, words } = open(60);
	await cycles(10);
	expect(told.map(({ batchId }) => batchId)).toEqual(Array.from({ length: 60 }, (_, number) => `batch_${number}`));
	expect(told[0]).toEqual({ batchId: "batch_0", items: 1, reason: "new", teamId: "batch_0", atMs: 0 });
	expect(busiestSecond(told.map(({ atMs }) => atMs))).toBeLessThanOrEqual(20);
	expect(words).toEqual(["starter"]);
});

test("what its workflow knows by itself is not told: items that come, and come on", async () => {
	const { cycles, come, reasons } = open(1);
	await cycles(1);
	for (let second = 0; second < 60; second++) {
		come("batch_0");
		await cycles(1);
	}
	expect(reasons()).toEqual(["new"]);
});

test("it is told when it is full, when a deadline comes before the others, and when nothing came for a while", async () => {
	const { cycles, come, reasons, clock } = open(1);
	await cycles(1);
	come("batch_0", { deadlineMs: STARTS_AT_MS + 3_600_000 });
	await cycles(2);
	come("batch_0", { deadlineMs: STARTS_AT_MS + 3_000_000 });
	await cycles(2);
	expect(reasons()).toEqual(["new", "deadline", "deadline"]);
	clock.nowMs = QUIET_MIN_MS + 10_000;
	await cycles(3);
	expect(reasons()).toEqual(["new", "deadline", "deadline", "quiet"]);
	come("batch_0", {}, 90);
	await cycles(3);
	expect(reasons().slice(4)).toEqual(["count"]);
});

test("nothing comes of the sums of a batch that changed: they are read again first", async () => {
	const { cycles, come, reasons, clock, state } = open(1);
	await cycles(1);
	come("batch_0");
	await cycles(1);
	expect(state.tallies).toBe(2);
	clock.nowMs = QUIET_MIN_MS + 1_000;
	come("batch_0");
	await cycles(2);
	expect(reasons()).toEqual(["new"]);
	// So many are not read again for five seconds, and what came is not known meanwhile.
	come("batch_0", { bytes: 1 }, 50_000);
	await cycles(1);
	come("batch_0", { deadlineMs: STARTS_AT_MS + 60_000 });
	await cycles(4);
	expect(reasons()).toEqual(["new", "count"]);
	await cycles(2);
	expect(reasons()).toEqual(["new", "count", "deadline"]);
});

test("the more items a batch has, the more seldom their sums are read", async () => {
	const { cycles, come, state } = open(1);
	await cycles(1);
	for (let second = 0; second < 10; second++) {
		come("batch_0", {}, 0);
		await cycles(1);
	}
	expect(state.tallies).toBe(11);
	come("batch_0", {}, 50_000);
	state.tallies = 0;
	for (let second = 0; second < 12; second++) {
		come("batch_0", {}, 0);
		await cycles(1);
	}
	expect(state.tallies).toBe(2);
});

test("two batches of one collector are told a second apart", async () => {
	const { cycles, told, add } = open(0);
	add("batch_0", { teamId: "search" });
	add("batch_1", { teamId: "search" });
	await cycles(1);
	expect(told.map(({ batchId }) => batchId)).toEqual(["batch_0"]);
	await cycles(1);
	expect(told.map(({ batchId, atMs }) => [batchId, atMs])).toEqual([
		["batch_0", 0],
		["batch_1", 1_000],
	]);
});

test("what was told and did not go, because no workflow polls or the provider has no room, is told again every minute", async () => {
	const { cycles, reasons, clock, rows } = open(1);
	await cycles(1);
	clock.nowMs = COLLECT_AGE_MS;
	await cycles(62);
	expect(reasons()).toEqual(["new", "age", "age"]);
	rows.get("batch_0")!.isHeld = true;
	await cycles(70);
	expect(reasons()).toEqual(["new", "age", "age"]);
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

test("one that cannot be told does not hold up the others, and is tried again after a minute", async () => {
	const { told, state, cycles, words } = open(3);
	state.broken = "batch_0";
	await cycles(4);
	expect(told.map(({ batchId }) => batchId)).toEqual(["batch_1", "batch_2"]);
	expect(words.filter((word) => word === "failed")).toHaveLength(1);
	state.broken = "";
	await cycles(60);
	expect(told.map(({ batchId }) => batchId)).toEqual(["batch_1", "batch_2", "batch_0"]);
});

test("who has not the lock tells nothing, and whoever gets it tells everything", async () => {
	const { told, state, cycles, words } = open(3);
	state.isStarter = false;
	await cycles(2);
	expect(told).toEqual([]);
	state.isStarter = true;
	await cycles(1);
	expect(told).toHaveLength(3);
	expect(words).toEqual(["starter"]);
});

test("more collectors than one look sees are all told", async () => {
	const { told, cycles } = open(1_100);
	await cycles(70);
	expect(new Set(told.map(({ batchId }) => batchId)).size).toBe(1_100);
});
