import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, seedOfSeries } from "#domain/statistics/random.ts";
import { median, noiseOf, quantile, robustScale } from "#domain/statistics/robust.ts";

describe("location and scale", () => {
	test("lie between order statistics, and of nothing are no number", () => {
		expect([quantile([3, 1, 2, 4], 0.5), quantile([1, 2, 3, 4], 0.25), quantile([5], 0.9)]).toEqual([2.5, 1.75, 5]);
		expect(median([])).toBeNaN();
	});

	test("a few wild values move neither", () => {
		fc.assert(
			fc.property(
				fc.array(fc.double({ min: 9, max: 11, noNaN: true }), { minLength: 9, maxLength: 40 }),
				fc.double({ min: 1e3, max: 1e9, noNaN: true }),
				(calm, wild) => {
					expect(median([...calm, wild])).toBeLessThanOrEqual(11);
					expect(robustScale([...calm, wild])).toBeLessThanOrEqual(3);
				},
			),
		);
	});

	test("a step of the level is hardly noise", () => {
		const random = createRandom(3);
		const values = Array.from({ length: 200 }, (_, index) => (index < 100 ? 0 : 5) + 0.1 * random.normal());
		expect(noiseOf(values)).toBeGreaterThan(0.08);
		expect(noiseOf(values)).toBeLessThan(0.12);
	});
});

describe("random numbers of a series", () => {
	test("are the same for the same amounts and others for others", () => {
		const draw = (amounts: readonly number[]): number[] => {
			const random = createRandom(seedOfSeries(amounts));
			return [random.share(), random.share(), random.normal()];
		};
		expect(draw([1, 2, 3])).toEqual(draw([1, 2, 3]));
		expect(draw([1, 2, 3])).not.toEqual(draw([1, 2, 4]));
	});
});
