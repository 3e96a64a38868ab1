import { describe, expect, test } from "vitest";
import { watchDays } from "#domain/anomaly/watch-days.ts";
import { createRandom } from "#domain/statistics/random.ts";

const MONDAY = 20_605;

function days(factor: (index: number) => number, { count = 100, noise = 0.05, weekend = 0.4 } = {}): number[] {
	const random = createRandom(11);
	return Array.from({ length: count }, (_, index) => 100 * (index % 7 >= 5 ? weekend : 1) * Math.exp(noise * random.normal()) * factor(index));
}

describe("is told", () => {
	test("a day of twice its weekday, on that day, once", () => {
		for (const at of [60, 61, 68])
			expect(
				watchDays(
					days((index) => (index === at ? 2 : 1)),
					MONDAY,
				),
			).toMatchObject([{ index: at, since: at, kind: "spike" }]);
	});

	test("a step of a half, once: after a week it is what is expected", () => {
		const found = watchDays(
			days((index) => (index >= 50 ? 1.5 : 1)),
			MONDAY,
		);
		expect(found.map(({ since }) => since)).toEqual([50]);
	});

	test("a spike after an accepted step, and one on top of a step that is new", () => {
		const stepped = (spike: number) =>
			watchDays(
				days((index) => (index >= 50 ? 1.5 : 1) * (index === spike ? 3 : 1)),
				MONDAY,
			).map(({ index }) => index);
		expect(stepped(62)).toEqual([50, 62]);
		expect(stepped(53)).toEqual([50, 53]);
	});

	test("a level that creeps up by a percent a day, as a drift since about its first day", () => {
		const [first] = watchDays(
			days((index) => 1.014 ** Math.max(0, Math.min(30, index - 50)), { noise: 0.1 }),
			MONDAY,
		);
		expect(first?.kind).toBe("drift");
		expect(first?.index).toBeLessThan(76);
		expect(first?.since).toBeGreaterThan(49);
	});

	test("what a day was expected to cost, in its own unit", () => {
		const [found] = watchDays(
			days((index) => (index === 60 ? 3 : 1)),
			MONDAY,
		);
		expect(found?.expected).toBeGreaterThan(90);
		expect(found?.expected).toBeLessThan(110);
	});
});

describe("is not told", () => {
	test("steady growth, weekends that cost nothing, or the first two weeks", () => {
		expect(
			watchDays(
				days((index) => 1.005 ** index),
				MONDAY,
			),
		).toEqual([]);
		expect(
			watchDays(
				days(() => 1, { weekend: 0 }),
				MONDAY,
			),
		).toEqual([]);
		expect(
			watchDays(
				days((index) => (index === 10 ? 20 : 1)),
				MONDAY,
			),
		).toEqual([]);
	});

	test("what became cheaper; what is dear beside the new level is", () => {
		const cheaper = (spike: number) =>
			watchDays(
				days((index) => (index >= 50 ? 0.5 : 1) * (index === spike ? 2 : 1)),
				MONDAY,
			).map(({ index }) => index);
		expect(cheaper(-1)).toEqual([]);
		expect(cheaper(75)).toEqual([75]);
	});

	test("an excess that is not worth it", () => {
		const dear = days((index) => (index === 60 ? 2 : 1));
		expect(watchDays(dear, MONDAY, 50)).toHaveLength(1);
		expect(watchDays(dear, MONDAY, 200)).toEqual([]);
	});

	test("anything where nothing was ever spent", () => {
		expect(watchDays(Array<number>(60).fill(0), MONDAY)).toEqual([]);
		expect(watchDays([], MONDAY)).toEqual([]);
	});
});
