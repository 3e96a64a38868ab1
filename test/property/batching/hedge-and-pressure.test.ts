import fc from "fast-check";
import { expect, test } from "vitest";
import { hedgeAtMs, planHedge } from "#domain/batching/hedge.ts";
import { type FallbackItem, type FallbackRate, fullBucket, planFallback, refill, type TokenBucket, takeWithinCap } from "#domain/batching/pressure.ts";

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const P99_MS = 60_000;
const MARGIN_MS = 300_000;

const rate: fc.Arbitrary<FallbackRate> = fc.record({ itemsPerSecond: fc.constantFrom(0.5, 1, 3, 10), burst: fc.integer({ min: 2, max: 5 }) });
const value = fc.bigInt({ min: 1n, max: 20n });

test("whatever falls due together, hedge and fallback begin each item in time for its deadline, within the rate, and give up none", () => {
	const dueIn = fc.array(fc.integer({ min: HOUR_MS, max: HOUR_MS + 20_000 }), { minLength: 1, maxLength: 60 });
	fc.assert(
		fc.property(dueIn, rate, fc.array(value, { minLength: 60, maxLength: 60 }), (due, given, values) => {
			const items: FallbackItem[] = due.map((ms, at) => ({ deadlineMs: NOW_MS + ms, valueNanoUsd: values[at] ?? 1n }));
			const begun = drive(items, given);
			expect(begun.size).toBe(items.length);
			// Alarms are whole milliseconds: each may cost the next one.
			for (const [item, atMs] of begun)
				expect(atMs).toBeLessThanOrEqual(hedgeAtMs(item.deadlineMs ?? 0, { realTimeP99Ms: P99_MS, marginMs: MARGIN_MS }) + items.length);
			const times = [...begun.values()];
			for (const [at, atMs] of times.entries()) expect(at + 1).toBeLessThanOrEqual(given.burst + ((atMs - NOW_MS) * given.itemsPerSecond) / 1_000 + 1e-6);
		}),
		{ numRuns: 200 },
	);
});

/** Wakes when either says so, until everything was sent. */
function drive(items: readonly FallbackItem[], given: FallbackRate): Map<FallbackItem, number> {
	const begun = new Map<FallbackItem, number>();
	let waiting = items;
	let fallback: readonly FallbackItem[] = [];
	let bucket = fullBucket(given, NOW_MS);
	let nowMs = NOW_MS;
	while (begun.size < items.length) {
		const hedge = planHedge(waiting, { nowMs, realTimeP99Ms: P99_MS, marginMs: MARGIN_MS, itemsPerSecond: given.itemsPerSecond });
		const due = new Set(hedge.due);
		waiting = waiting.filter((item) => !due.has(item));
		const plan = planFallback([...fallback, ...hedge.due], { nowMs, bucket, rate: given, realTimeP99Ms: P99_MS });
		expect(plan.shed).toEqual([]);
		for (const item of plan.send) begun.set(item, nowMs);
		fallback = plan.wait;
		bucket = plan.bucket;
		const next = Math.min(hedge.nextAtMs ?? Number.POSITIVE_INFINITY, plan.nextAtMs ?? Number.POSITIVE_INFINITY);
		if (begun.size < items.length) expect(next).toBeGreaterThan(nowMs);
		nowMs = next;
	}
	return begun;
}

const crowd = fc.array(fc.record({ deadlineMs: fc.integer({ min: NOW_MS, max: NOW_MS + 1_500 }), valueNanoUsd: value }), { maxLength: 7 });

test("a fallback that cannot carry all loses the least value that can be lost", () => {
	fc.assert(
		fc.property(crowd, fc.record({ itemsPerSecond: fc.constantFrom(2, 5, 10), burst: fc.integer({ min: 1, max: 3 }) }), (items, given) => {
			const conditions = { nowMs: NOW_MS, bucket: fullBucket(given, NOW_MS), rate: given, realTimeP99Ms: 500 };
			const plan = planFallback(items, conditions);
			const { send, wait, shed } = plan;
			expect(new Set([...send, ...wait, ...shed]).size).toBe(items.length);
			expect(send.length + wait.length + shed.length).toBe(items.length);
			expect(send.length).toBe(Math.min(given.burst, items.length));
			const startOf = (place: number): number => NOW_MS + (place < given.burst ? 0 : ((place + 1 - given.burst) * 1_000) / given.itemsPerSecond);
			const isFeasible = (some: readonly { deadlineMs: number }[]): boolean =>
				[...some].sort((left, right) => left.deadlineMs - right.deadlineMs).every(({ deadlineMs }, place) => startOf(place) + 500 <= deadlineMs);
			const sumOf = (some: readonly { valueNanoUsd: bigint }[]): bigint => some.reduce((sum, { valueNanoUsd }) => sum + valueNanoUsd, 0n);
			const best = subsets(items)
				.filter(isFeasible)
				.reduce((most, some) => (sumOf(some) > most ? sumOf(some) : most), 0n);
			// Some of those given up may go now all the same, where tokens are left.
			const inTime = [...send, ...wait].filter((item, place) => startOf(place) + 500 <= item.deadlineMs);
			expect(sumOf(inTime)).toBe(best);
		}),
		{ numRuns: 500 },
	);
});

function subsets<Item>(items: readonly Item[]): Item[][] {
	return Array.from({ length: 2 ** items.length }, (_, mask) => items.filter((_item, at) => (mask >> at) % 2 === 1));
}

test("money in flight never passes the cap, every item is taken, left or named, and none is left that would have fitted", () => {
	const bound = fc.bigInt({ min: 0n, max: 120n });
	fc.assert(
		fc.property(fc.array(bound, { maxLength: 30 }), bound, bound, (bounds, capNanoUsd, inFlightNanoUsd) => {
			const items = bounds.map((boundNanoUsd, n) => ({ n, boundNanoUsd }));
			const { taken, left, neverFit } = takeWithinCap(items, { capNanoUsd, inFlightNanoUsd });
			const sum = taken.reduce((total, { boundNanoUsd }) => total + boundNanoUsd, inFlightNanoUsd);
			if (taken.some(({ boundNanoUsd }) => boundNanoUsd > 0n)) expect(sum <= capNanoUsd).toBe(true);
			expect([...taken, ...left, ...neverFit].map(({ n }) => n).sort((a, b) => a - b)).toEqual(items.map(({ n }) => n));
			for (const { boundNanoUsd } of left) expect(sum + boundNanoUsd > capNanoUsd).toBe(true);
			for (const { boundNanoUsd } of neverFit) expect(boundNanoUsd > capNanoUsd).toBe(true);
		}),
	);
});

test("a bucket gives no more than its burst and its rate, however often it is looked at", () => {
	fc.assert(
		fc.property(rate, fc.array(fc.integer({ min: -100, max: 3_000 }), { maxLength: 60 }), (given, steps) => {
			let bucket: TokenBucket = fullBucket(given, NOW_MS);
			let nowMs = NOW_MS;
			let taken = 0;
			let latestMs = NOW_MS;
			for (const step of steps) {
				nowMs += step;
				latestMs = Math.max(latestMs, nowMs);
				bucket = refill(bucket, given, nowMs);
				const now = Math.floor(bucket.tokens);
				taken += now;
				bucket = { ...bucket, tokens: bucket.tokens - now };
				expect(taken).toBeLessThanOrEqual(given.burst + ((latestMs - NOW_MS) * given.itemsPerSecond) / 1_000 + 1e-6);
			}
		}),
	);
});
