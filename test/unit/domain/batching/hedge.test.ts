import { describe, expect, test } from "vitest";
import { type HedgeConditions, hedgeAtMs, judgeAnswer, planHedge, shouldCancel } from "#domain/batching/hedge.ts";

const MINUTE_MS = 60_000;
const NOW_MS = 1_800_000_000_000;
/** Six minutes before its deadline an item goes in real time. */
const CONDITIONS: HedgeConditions = { nowMs: NOW_MS, realTimeP99Ms: MINUTE_MS, marginMs: 5 * MINUTE_MS, itemsPerSecond: 10 };
const LEAD_MS = 6 * MINUTE_MS;
const item = (n: number, dueInMs: number | null) => ({ n, deadlineMs: dueInMs === null ? null : NOW_MS + LEAD_MS + dueInMs });
const numbers = (items: readonly { readonly n: number }[]): number[] => items.map(({ n }) => n);

describe("what a batch does not bring in time goes in real time", () => {
	test("as early as a call and its margin take, the earliest deadline first", () => {
		expect(hedgeAtMs(NOW_MS + LEAD_MS, CONDITIONS)).toBe(NOW_MS);
		const plan = planHedge([item(1, 1_000), item(2, 0), item(3, null), item(4, -5_000)], CONDITIONS);
		expect(numbers(plan.due)).toEqual([4, 2]);
		expect(plan.nextAtMs).toBe(NOW_MS + 1_000);
	});

	test("at the very millisecond that was named", () => {
		const items = [item(1, 1_234), item(2, 1_234)];
		const { nextAtMs } = planHedge(items, CONDITIONS);
		expect(nextAtMs).toBe(NOW_MS + 1_134);
		expect(numbers(planHedge(items, { ...CONDITIONS, nowMs: NOW_MS + 1_133 }).due)).toEqual([]);
		expect(numbers(planHedge(items, { ...CONDITIONS, nowMs: NOW_MS + 1_134 }).due)).toEqual([1]);
	});

	test("never, without a deadline", () => {
		expect(planHedge([item(1, null)], CONDITIONS)).toEqual({ due: [], nextAtMs: null });
		expect(planHedge([], CONDITIONS)).toEqual({ due: [], nextAtMs: null });
	});

	test("earlier, where more falls due together than may be sent in that time", () => {
		// Thirty at ten a second: the first begins 2.9 seconds before the last.
		const items = Array.from({ length: 30 }, (_, n) => item(n, 2_900));
		expect(numbers(planHedge(items, CONDITIONS).due)).toEqual([0]);
		expect(planHedge(items, { ...CONDITIONS, nowMs: NOW_MS - 1 }).nextAtMs).toBe(NOW_MS);
		expect(planHedge(items, { ...CONDITIONS, nowMs: NOW_MS + 1_000 }).due).toHaveLength(11);
	});
});

test("a batch is cancelled when more than half of it was hedged", () => {
	expect([0, 5, 6, 10].map((hedged) => shouldCancel({ items: 10, hedged }))).toEqual([false, false, true, true]);
	expect(shouldCancel({ items: 1, hedged: 1 })).toBe(true);
	expect(shouldCancel({ items: 3, hedged: 1 })).toBe(false);
});

test("the first answer is handed back, any other is paid for twice", () => {
	expect([false, true].map((hasOutcome) => judgeAnswer({ hasOutcome }))).toEqual(["deliver", "duplicate"]);
});
