import { expect, it } from "vitest";
import type { Shortage } from "#activities/request/grant-evidence.ts";
import { RefusalMemory } from "#activities/request/refusal-memory.ts";
import { amounts } from "#test/support/amounts.ts";

const TEAM = [{ budgetId: "1", unit: "nano_usd" as const }];
const need = (nanoUsd: bigint) => amounts({ nanoUsd });

function memoryOf(changes: Partial<Shortage> = {}): RefusalMemory {
	const memory = new RefusalMemory();
	const item = {
		...{
			budgetId: "1",
			windowId: "11",
			seq: "1",
			limit: 100n,
			stop: 100n,
			granted: 100n,
			isFrozen: false,
			isOverrun: false,
			isObserved: false,
			needsApproval: false,
		},
		...{ leaseGranted: 0n, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null, endsInMs: null },
		...{ posted: 80n, heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 0n, leastAnswered: null },
	};
	const shortage = {
		code: "budget.exceeded" as const,
		item,
		unit: "nano_usd" as const,
		idle: 0n,
		need: 50n,
		endsAtMs: Number.POSITIVE_INFINITY,
		isRemembered: false,
	};
	memory.remember({ ...shortage, ...changes }, 1_000);
	return memory;
}

it("holds for calls that need at least as much, with their own need", () => {
	expect(memoryOf().find(TEAM, need(60n), 1_500)).toMatchObject({ need: 60n, isRemembered: true });
	expect(memoryOf().find(TEAM, need(49n), 1_500)).toBeUndefined();
});

it("holds for at most 1 s", () => {
	expect(memoryOf().find(TEAM, need(50n), 2_000)).toBeDefined();
	expect(memoryOf().find(TEAM, need(50n), 2_001)).toBeUndefined();
});

it("ends with its window: the next one has money of its own", () => {
	expect(memoryOf({ endsAtMs: 1_200 }).find(TEAM, need(50n), 1_199)).toBeDefined();
	expect(memoryOf({ endsAtMs: 1_200 }).find(TEAM, need(50n), 1_200)).toBeUndefined();
});

it("keeps no refusals of agent runs that nobody asks for again", () => {
	const memory = new RefusalMemory();
	const shortage = memoryOf().find(TEAM, need(50n), 1_500) ?? expect.fail("a refusal");
	const remember = (run: number, nowMs: number) =>
		memory.remember({ ...shortage, item: { ...shortage.item, budgetId: `b${run}`, windowId: `w${run}` } }, nowMs);
	for (let run = 0; run < 100; run++) remember(run, 1_000 + run);
	expect(memory.size).toBe(100);
	remember(100, 2_050); // those up to 1,049 are older than 1 s
	expect(memory.size).toBe(51);
	remember(60, 2_050);
	expect(memory.size).toBe(51);
	memory.forget("w60");
	expect(memory.size).toBe(50);
});

it("is forgotten for a window, or for all", () => {
	for (const [windowId, isKept] of [
		["11", false],
		["12", true],
		[undefined, false],
	] as const) {
		const memory = memoryOf();
		memory.forget(windowId);
		expect([windowId, memory.find(TEAM, need(50n), 1_500) !== undefined]).toEqual([windowId, isKept]);
	}
});
