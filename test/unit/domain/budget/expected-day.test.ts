import { describe, expect, test } from "vitest";
import { type DayFacts, type DayLimit, type DaySpend, expectDay, isAboveExpected } from "#domain/budget/expected-day.ts";

const USD = 1_000_000_000n;
const dayOf = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 86_400_000;
const noonOf = (date: string): number => Date.parse(`${date}T12:00:00Z`);

const TODAY = "2026-11-26";
const limit = (windowKind: DayLimit["windowKind"], limitAmount: bigint, timeZone = "UTC"): DayLimit => ({ windowKind, timeZone, limitAmount });

function factsOn(date: string, facts: Partial<DayFacts> = {}): DayFacts {
	return { day: dayOf(date), insideMs: noonOf(date), firstDay: null, earlier: [], limits: [], ...facts };
}

/** Amounts of the same weekday one week before, two weeks before … */
function weeksBefore(...amounts: readonly bigint[]): DaySpend[] {
	return amounts.map((amountNanoUsd, week) => ({ day: dayOf(TODAY) - 7 * (week + 1), amountNanoUsd }));
}

function expectFrom(earlier: readonly DaySpend[]) {
	return expectDay(factsOn(TODAY, { firstDay: dayOf("2025-01-01"), earlier }));
}

describe("with history", () => {
	test("is the median of the same weekday over six weeks, of which one wild week moves nothing", () => {
		expect(expectFrom(weeksBefore(10n, 30n, 20n, 60n, 50n, 40n))).toEqual({ amountNanoUsd: 35n, from: "history" });
		expect(expectFrom(weeksBefore(20n, 20n, 20n, 20n, 20n, 1_000_000n))).toEqual({ amountNanoUsd: 20n, from: "history" });
	});

	test("knows no other weekday, no seventh week and not the day itself", () => {
		const others = Array.from({ length: 60 }, (_, back) => ({ day: dayOf(TODAY) - back, amountNanoUsd: 999n })).filter(
			({ day }) => (dayOf(TODAY) - day) % 7 !== 0,
		);
		const seventh = { day: dayOf(TODAY) - 49, amountNanoUsd: 999n };
		const today = { day: dayOf(TODAY), amountNanoUsd: 999n };
		expect(expectFrom([...others, seventh, today, ...weeksBefore(5n, 5n, 5n, 5n, 5n, 5n)])?.amountNanoUsd).toBe(5n);
	});

	test("a day on which nothing was booked counts as nothing spent, and corrections that outweigh a day too", () => {
		expect(expectFrom(weeksBefore(10n, 10n, 10n))?.amountNanoUsd).toBe(5n);
		expect(expectFrom(weeksBefore(-10n, -10n, -10n, -10n, -10n, -10n))?.amountNanoUsd).toBe(0n);
	});

	test("of 14 days the two weekdays there are; of 13 days what the budgets allow", () => {
		const facts = { earlier: weeksBefore(10n, 30n), limits: [limit("day", 100n)] };
		expect(expectDay(factsOn(TODAY, { ...facts, firstDay: dayOf(TODAY) - 14 }))).toEqual({ amountNanoUsd: 20n, from: "history" });
		expect(expectDay(factsOn(TODAY, { ...facts, firstDay: dayOf(TODAY) - 13 }))).toEqual({ amountNanoUsd: 100n, from: "limit" });
	});
});

describe("without history, the limit by the days of its window", () => {
	const shareOn = (date: string, ...limits: readonly DayLimit[]) => expectDay(factsOn(date, { limits }))?.amountNanoUsd;

	test.each([
		[28, "2026-02-10"],
		[29, "2028-02-10"],
		[30, "2026-11-26"],
		[31, "2026-12-01"],
	])("a month of %i days", (days, date) => {
		expect(shareOn(date, limit("month", BigInt(days) * USD))).toBe(USD);
	});

	test.each([
		[90, "2026-01-15"],
		[91, "2028-01-15"],
		[91, "2026-04-15"],
		[92, "2026-07-15"],
	])("a quarter of %i days", (days, date) => {
		expect(shareOn(date, limit("quarter", BigInt(days) * USD))).toBe(USD);
	});

	test("a week has seven, a day one, and an hour is a 24th of one", () => {
		expect(shareOn(TODAY, limit("week", 7n * USD))).toBe(USD);
		expect(shareOn(TODAY, limit("day", USD))).toBe(USD);
		expect(shareOn(TODAY, limit("hour", USD))).toBe(24n * USD);
	});

	test("a window is as many days long whether or not the clocks change in it", () => {
		// Berlin: 29 March has 23 hours, 25 October 25.
		for (const date of ["2026-03-29", "2026-10-25"]) {
			expect(shareOn(date, limit("day", USD, "Europe/Berlin"))).toBe(USD);
			expect(shareOn(date, limit("week", 7n * USD, "Europe/Berlin"))).toBe(USD);
			expect(shareOn(date, limit("month", 31n * USD, "Europe/Berlin"))).toBe(USD);
		}
	});

	test("of several budgets the one that allows least counts", () => {
		expect(shareOn(TODAY, limit("day", 5n * USD), limit("month", 30n * USD), limit("week", 14n * USD))).toBe(USD);
	});

	test("a budget that never renews says nothing, and without any nothing is expected", () => {
		expect(expectDay(factsOn(TODAY, { limits: [limit("lifetime", 100n * USD)] }))).toBeNull();
		expect(expectDay(factsOn(TODAY))).toBeNull();
		expect(shareOn(TODAY, limit("lifetime", USD), limit("day", 2n * USD))).toBe(2n * USD);
	});
});

describe("a day is above what was expected", () => {
	const usual = factsOn(TODAY, { firstDay: dayOf("2025-01-01"), earlier: weeksBefore(10n, 10n, 10n, 10n, 10n, 10n), limits: [limit("day", 100n)] });
	const weekend = factsOn(TODAY, { firstDay: dayOf("2025-01-01"), limits: [limit("day", 100n)] });

	test("above twice of it, not at twice", () => {
		expect([20n, 21n].map((spent) => isAboveExpected(spent, usual))).toEqual([false, true]);
	});

	test("where nothing was expected, above twice what the budgets allow per day", () => {
		expect(expectDay(weekend)).toEqual({ amountNanoUsd: 0n, from: "history" });
		expect([1n, 200n, 201n].map((spent) => isAboveExpected(spent, weekend))).toEqual([false, false, true]);
	});

	test("at anything where neither history nor a budget allows for it, and never where there is nothing to expect", () => {
		expect([0n, 1n].map((spent) => isAboveExpected(spent, { ...weekend, limits: [] }))).toEqual([false, true]);
		expect(isAboveExpected(1_000n * USD, factsOn(TODAY))).toBe(false);
	});
});
