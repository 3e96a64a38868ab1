import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { estimate, estimateFrom, median } from "../../../bench/statistics/estimate.ts";
import { LatencyHistogram } from "../../../bench/statistics/latency-histogram.ts";
import { createRandom, shuffle } from "../../../bench/statistics/random.ts";

describe("random order", () => {
	test("a seed gives the same order again, another seed another", () => {
		const items = Array.from({ length: 20 }, (_, index) => index);
		expect(shuffle(items, createRandom(7))).toEqual(shuffle(items, createRandom(7)));
		expect(shuffle(items, createRandom(7))).not.toEqual(shuffle(items, createRandom(8)));
	});

	test("a shuffle keeps every item once, and each item comes to each place about equally often", () => {
		const random = createRandom(1);
		const firsts = new Map<string, number>();
		for (let round = 0; round < 3_000; round += 1) {
			const shuffled = shuffle(["a", "b", "c"], random);
			expect([...shuffled].sort()).toEqual(["a", "b", "c"]);
			firsts.set(shuffled[0] ?? "", (firsts.get(shuffled[0] ?? "") ?? 0) + 1);
		}
		for (const count of firsts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
	});
});

describe("estimates over rounds", () => {
	test("the median is the middle of the sorted values", () => {
		expect(median([9, 1, 5])).toBe(5);
		expect(median([4, 1])).toBe(2.5);
		expect(median([])).toBeNaN();
	});

	test("the interval holds the median and lies within the rounds", () => {
		const values = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 3, maxLength: 20 });
		fc.assert(
			fc.property(values, fc.integer(), (rounds, seed) => {
				const { low, median: middle, high } = estimate(rounds, createRandom(seed));
				expect(low).toBeLessThanOrEqual(middle);
				expect(high).toBeGreaterThanOrEqual(middle);
				expect(low).toBeGreaterThanOrEqual(Math.min(...rounds));
				expect(high).toBeLessThanOrEqual(Math.max(...rounds));
			}),
			{ numRuns: 50 },
		);
	});

	test("about 95 of 100 intervals hold what was to be measured", () => {
		const random = createRandom(3);
		const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
		let held = 0;
		for (let run = 0; run < 100; run += 1) {
			const { low, high } = estimate(
				Array.from({ length: 15 }, () => 10 + normal()),
				random,
			);
			if (low <= 10 && high >= 10) held += 1;
		}
		expect(held).toBeGreaterThanOrEqual(88);
	});

	test("rounds in which a ratio is infinite make the interval reach there, and nothing is undefined", () => {
		const infinite = Number.POSITIVE_INFINITY;
		expect(estimate([1.5, infinite, 2, infinite, 3, 1.7], createRandom(1))).toMatchObject({ median: 2.5, high: infinite });
		expect(estimate([infinite, infinite, infinite], createRandom(1))).toMatchObject({ median: infinite, low: infinite, high: infinite });
	});

	test("two rounds say nothing of the spread", () => {
		expect(estimate([1, 2], createRandom(1))).toEqual({ median: 1.5, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, rounds: 2 });
	});

	test("a ratio of medians is taken over whole rounds", () => {
		const rounds = [
			{ ours: 3, floor: 2 },
			{ ours: 30, floor: 20 },
			{ ours: 300, floor: 200 },
		];
		const ratio = (drawn: readonly { ours: number; floor: number }[]) => median(drawn.map(({ ours }) => ours)) / median(drawn.map(({ floor }) => floor));
		// Drawn together, both sides move together: the ratio stands still however far the rounds lie apart.
		expect(estimateFrom(rounds, ratio, createRandom(1))).toEqual({ median: 1.5, low: 1.5, high: 1.5, rounds: 3 });
	});
});

describe("latency histogram", () => {
	test("percentiles are right to three digits, and survive their text form", () => {
		const histogram = LatencyHistogram.of(Array.from({ length: 1_000 }, (_, index) => (index + 1) * 1e6));
		for (const read of [histogram, LatencyHistogram.decode(histogram.encode())]) {
			expect(read.count).toBe(1_000);
			expect(Math.abs(read.percentileMs(50) / 500 - 1)).toBeLessThan(0.002);
			expect(Math.abs(read.percentileMs(99) / 990 - 1)).toBeLessThan(0.002);
		}
	});

	test("a sum holds the samples of all", () => {
		const sum = LatencyHistogram.sum([LatencyHistogram.of([1e6, 2e6]), LatencyHistogram.of([9e6])]);
		expect(sum.count).toBe(3);
		expect(sum.percentileMs(100)).toBeGreaterThan(8.9);
	});

	test("an empty one has no percentile", () => {
		expect(LatencyHistogram.of([]).percentileMs(99)).toBeNaN();
	});
});
