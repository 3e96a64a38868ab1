import fc from "fast-check";
import { expect, test } from "vitest";
import { type DayFacts, type DayLimit, expectDay, isAboveExpected } from "#domain/budget/expected-day.ts";

const amount = fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n });
const spent = fc.bigInt({ min: 0n, max: 10n ** 18n });
const DAY = 20_783;
const ZONES = ["UTC", "Europe/Berlin", "America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo"];

const limit: fc.Arbitrary<DayLimit> = fc.record({
	windowKind: fc.constantFrom("hour", "day", "week", "month", "quarter", "lifetime"),
	timeZone: fc.constantFrom(...ZONES),
	limitAmount: spent,
});
const facts: fc.Arbitrary<DayFacts> = fc.record({
	day: fc.constant(DAY),
	insideMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
	firstDay: fc.option(fc.integer({ min: DAY - 60, max: DAY }), { nil: null }),
	earlier: fc.array(fc.record({ day: fc.integer({ min: DAY - 60, max: DAY }), amountNanoUsd: amount }), { maxLength: 60 }),
	limits: fc.array(limit, { maxLength: 4 }),
});

function afterWeeks(amounts: readonly bigint[]): bigint {
	const earlier = amounts.map((amountNanoUsd, week) => ({ day: DAY - 7 * (week + 1), amountNanoUsd }));
	return expectDay({ day: DAY, insideMs: DAY * 86_400_000, firstDay: DAY - 400, earlier, limits: [] })?.amountNanoUsd ?? -1n;
}

test("never negative, and nothing spent is never above it", () => {
	fc.assert(
		fc.property(facts, (given) => {
			expect((expectDay(given)?.amountNanoUsd ?? 0n) >= 0n).toBe(true);
			expect(isAboveExpected(0n, given)).toBe(false);
		}),
	);
});

test("whatever happened in one of six weeks, the expectation stays among the other five", () => {
	fc.assert(
		fc.property(fc.array(spent, { minLength: 5, maxLength: 5 }), amount, fc.nat(5), (usual, wild, week) => {
			const expected = afterWeeks([...usual.slice(0, week), wild, ...usual.slice(week)]);
			const sorted = [...usual].sort((left, right) => (left < right ? -1 : 1));
			expect(expected >= (sorted[0] ?? 0n) && expected <= (sorted[4] ?? 0n)).toBe(true);
		}),
	);
});

test("the order of the weeks does not matter, and spending more never lowers what is expected", () => {
	fc.assert(
		fc.property(fc.array(spent, { minLength: 6, maxLength: 6 }), fc.nat(5), spent, (weeks, index, more) => {
			const expected = afterWeeks(weeks);
			expect(afterWeeks([...weeks].reverse())).toBe(expected);
			expect(afterWeeks(weeks.map((one, at) => (at === index ? one + more : one))) >= expected).toBe(true);
		}),
	);
});

test("a month is 28 to 31 days in every zone and at every instant, a quarter 90 to 92, a week 7 and a day 1", () => {
	const days = { day: [1n, 1n], week: [7n, 7n], month: [28n, 31n], quarter: [90n, 92n] } as const;
	// From 2014 on: Samoa had no 30 December 2011.
	const instant = fc.integer({ min: 1_400_000_000_000, max: 4_000_000_000_000 });
	fc.assert(
		fc.property(fc.constantFrom("day", "week", "month", "quarter"), fc.constantFrom(...ZONES), instant, (windowKind, timeZone, insideMs) => {
			const limitAmount = 10n ** 15n;
			const share = expectDay({ day: DAY, insideMs, firstDay: null, earlier: [], limits: [{ windowKind, timeZone, limitAmount }] })?.amountNanoUsd ?? 0n;
			const [shortest, longest] = days[windowKind];
			expect(share >= limitAmount / longest && share <= limitAmount / shortest).toBe(true);
		}),
	);
});
