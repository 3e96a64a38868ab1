import { describe, expect, test } from "vitest";
import { type FallbackConditions, fullBucket, planFallback, refill, takeWithinCap } from "#domain/batching/pressure.ts";

const NOW_MS = 1_800_000_000_000;
const RATE = { itemsPerSecond: 10, burst: 3 };
const CONDITIONS: FallbackConditions = { nowMs: NOW_MS, bucket: fullBucket(RATE, NOW_MS), rate: RATE, realTimeP99Ms: 1_000 };
const numbers = (items: readonly { readonly n: number }[]): number[] => items.map(({ n }) => n);

describe("money in flight", () => {
	const items = [40n, 70n, 20n, 101n, 30n].map((boundNanoUsd, n) => ({ n, boundNanoUsd }));

	test("is held up to the cap: what does not fit waits, what never will is named", () => {
		const { taken, left, neverFit } = takeWithinCap(items, { capNanoUsd: 100n, inFlightNanoUsd: 10n });
		expect([taken, left, neverFit].map(numbers)).toEqual([[0, 2, 4], [1], [3]]);
	});

	test("may reach the cap exactly", () => {
		expect(numbers(takeWithinCap(items.slice(0, 1), { capNanoUsd: 100n, inFlightNanoUsd: 60n }).taken)).toEqual([0]);
		expect(numbers(takeWithinCap(items.slice(0, 1), { capNanoUsd: 100n, inFlightNanoUsd: 61n }).taken)).toEqual([]);
	});

	test("is not looked at without a cap", () => {
		expect(takeWithinCap(items, { capNanoUsd: null, inFlightNanoUsd: 10n ** 18n })).toEqual({ taken: items, left: [], neverFit: [] });
	});
});

describe("the bucket of the fallback", () => {
	test("fills with its rate, up to its burst, and not from a clock that went back", () => {
		const empty = { tokens: 0, atMs: NOW_MS };
		expect(refill(empty, RATE, NOW_MS + 150)).toEqual({ tokens: 1.5, atMs: NOW_MS + 150 });
		expect(refill(empty, RATE, NOW_MS + 60_000)).toEqual({ tokens: 3, atMs: NOW_MS + 60_000 });
		expect(refill(empty, RATE, NOW_MS - 60_000)).toEqual(empty);
	});
});

describe("the fallback", () => {
	const item = (n: number, dueInMs: number | null, value = 1n) => ({ n, deadlineMs: dueInMs === null ? null : NOW_MS + dueInMs, valueNanoUsd: value });

	test("sends what there are tokens for, earliest deadline first, and says when there is the next", () => {
		const plan = planFallback([item(1, 90_000), item(2, 80_000), item(3, null), item(4, 70_000), item(5, 60_000)], CONDITIONS);
		expect([plan.send, plan.wait, plan.shed].map(numbers)).toEqual([[5, 4, 2], [1, 3], []]);
		expect(plan.bucket).toEqual({ tokens: 0, atMs: NOW_MS });
		expect(plan.nextAtMs).toBe(NOW_MS + 100);
	});

	test("gives up what is worth least where not all can be in time", () => {
		// Three now and one more within the tenth of a second that is left: of five the cheapest comes late.
		const five = [item(1, 1_100, 50n), item(2, 1_100, 10n), item(3, 1_100, 40n), item(4, 1_100, 30n), item(5, 1_100, 20n)];
		const plan = planFallback(five, CONDITIONS);
		expect([plan.send, plan.wait, plan.shed].map(numbers)).toEqual([[1, 3, 4], [5], [2]]);
	});

	test("does not give up a later deadline for what is too late already, and sends that last", () => {
		const plan = planFallback([item(1, 500, 1n), item(2, 60_000, 1n), item(3, 700, 9n)], CONDITIONS);
		expect([plan.send, plan.wait, plan.shed].map(numbers)).toEqual([[2, 3, 1], [], []]);
		expect(plan.nextAtMs).toBeNull();
	});

	test("waits for the rest of a token", () => {
		const plan = planFallback([item(1, 60_000)], { ...CONDITIONS, bucket: { tokens: 0.25, atMs: NOW_MS } });
		expect(plan).toMatchObject({ send: [], nextAtMs: NOW_MS + 75, bucket: { tokens: 0.25 } });
		expect(numbers(planFallback([item(1, 60_000)], { ...CONDITIONS, nowMs: NOW_MS + 75, bucket: { tokens: 0.25, atMs: NOW_MS } }).send)).toEqual([1]);
	});

	test("with nothing to send takes nothing", () => {
		expect(planFallback([], CONDITIONS)).toEqual({ send: [], wait: [], shed: [], bucket: fullBucket(RATE, NOW_MS), nextAtMs: null });
	});
});
