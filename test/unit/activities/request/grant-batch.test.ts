import { expect, test } from "vitest";
import { nextBatch } from "#activities/request/grant-batch.ts";
import { Departure } from "#activities/request/leaving.ts";
import { createWaiter, type Standing, type Waiter } from "#activities/request/waiting-call.ts";
import type { MatchedBudget } from "#domain/budget/lease-book.ts";
import { amounts } from "#test/support/amounts.ts";
import { testBound } from "#test/support/request-authority.ts";

const money = (budgetId: string): MatchedBudget => ({ budgetId, unit: "nano_usd" });

function waiting(budgets: readonly MatchedBudget[], more: { teamId?: string; need?: bigint; nowMs?: number; allowance?: Standing["allowance"] } = {}): Waiter {
	const standing = { budgets, allowance: more.allowance ?? amounts(), waitMs: 0 };
	const ask = {
		teamId: more.teamId ?? "team",
		keyId: "key",
		bound: testBound(more.need ?? 50n),
		isStep: true,
		current: () => standing,
		leaving: new Departure(),
	};
	return createWaiter(ask, { standing, resolve: () => undefined, nowMs: more.nowMs ?? 0 });
}

/** A call that meets the team's budget and `ceilings` that no other call meets. */
const ofOwnRun = (run: number, ceilings: number): Waiter =>
	waiting([money("1"), ...Array.from({ length: ceilings }, (_, index) => money(String(1_000 + run * 100 + index)))]);

test("the calls of the team that are due go together, first come first served", () => {
	const waiters = [waiting([money("1")]), waiting([money("1")], { teamId: "other" }), waiting([money("1")], { nowMs: 2 }), waiting([money("1")], { need: 7n })];
	const batch = nextBatch(waiters, "team", 1);
	expect(batch.waiters).toEqual([waiters[0], waiters[3]]);
	expect(batch.needs).toEqual([[50n], [7n]]);
});

test("each asks in the budgets it meets, in their units and below its own degrade lines, ascending by id", () => {
	const lined = { ...money("9"), line: { place: 2, at: { basisPoints: 5_000 } } };
	const batch = nextBatch([waiting([lined, { budgetId: "10", unit: "steps", dimension: "run" }]), waiting([money("9")], { need: 7n })], "team", 0);
	expect(batch.budgets.map(({ budgetId }) => budgetId)).toEqual(["9", "10"]);
	expect(batch.needs).toEqual([
		[50n, 1n],
		[7n, 0n],
	]);
	expect(batch.lines).toEqual([
		[2, null],
		[null, null],
	]);
	expect(nextBatch([waiting([money("9")])], "team", 0).lines).toBeUndefined();
});

test("the largest wish for an outage holds for all", () => {
	const batch = nextBatch(
		[waiting([money("1")], { allowance: amounts({ nanoUsd: 5n }) }), waiting([money("1")], { allowance: amounts({ tokens: 9n }) })],
		"team",
		0,
	);
	expect(batch.allowance).toEqual(amounts({ nanoUsd: 5n, tokens: 9n }));
});

test("one grant carries at most 64 calls", () => {
	const waiters = Array.from({ length: 70 }, () => waiting([money("1")]));
	expect(nextBatch(waiters, "team", 0).waiters).toHaveLength(64);
});

test("a batch ends where its windows would be more than 128", () => {
	const large = Array.from({ length: 4 }, (_, run) => ofOwnRun(run, 31)); // 1 + 4 × 31
	const sizes = (waiters: readonly Waiter[]) => {
		const batch = nextBatch(waiters, "team", 0);
		return [batch.waiters.length, batch.budgets.length];
	};
	expect(sizes([...large, ofOwnRun(4, 3)])).toEqual([5, 128]);
	expect(sizes([...large, ofOwnRun(4, 4), ofOwnRun(5, 0)])).toEqual([4, 125]);
});

test("one call is always asked for, whatever it meets", () => {
	const batch = nextBatch([waiting(Array.from({ length: 130 }, (_, index) => money(String(index + 1))))], "team", 0);
	expect([batch.waiters.length, batch.budgets.length]).toEqual([1, 130]);
});
