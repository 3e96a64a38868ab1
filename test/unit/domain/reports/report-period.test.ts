import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	beforeBookingsProblem,
	dateOfDay,
	dayOfDate,
	describePeriod,
	lastFinishedPeriod,
	periodBefore,
	periodOfDay,
	REPORT_KINDS,
	spanOfDays,
	unfinishedProblem,
} from "#domain/reports/report-period.ts";

const at = (text: string): number => Date.parse(text);
const day = (date: string): number => dayOfDate(date) ?? Number.NaN;

describe("a period", () => {
	test("is a day, a week from Monday or a month on the calendar of its zone", () => {
		const of = (kind: "daily" | "weekly" | "monthly") => periodOfDay(kind, day("2026-11-26"), "Europe/Berlin");
		expect(of("daily")).toMatchObject({ date: "2026-11-26", fromMs: at("2026-11-25T23:00Z"), toMs: at("2026-11-26T23:00Z") });
		expect(of("weekly")).toMatchObject({ date: "2026-11-23", fromMs: at("2026-11-22T23:00Z"), toMs: at("2026-11-29T23:00Z") });
		expect(of("monthly")).toMatchObject({ date: "2026-11-01", fromMs: at("2026-10-31T23:00Z"), toMs: at("2026-11-30T23:00Z") });
		expect([of("daily"), of("weekly"), of("monthly")].map(describePeriod)).toEqual([
			"Thursday, 26 November 2026",
			"Week from 23 November 2026 to 29 November 2026",
			"November 2026",
		]);
	});

	test("has 23 or 25 hours where clocks change", () => {
		const hours = (date: string) => {
			const { fromMs, toMs } = periodOfDay("daily", day(date), "Europe/Berlin");
			return (toMs - fromMs) / 3_600_000;
		};
		expect([hours("2026-03-29"), hours("2026-10-25"), hours("2026-10-26")]).toEqual([23, 25, 24]);
	});

	test("of a zone whose midnight is within an hour of UTC begins with the next hour, and leaves none out", () => {
		const first = periodOfDay("daily", day("2026-11-26"), "Asia/Kolkata");
		expect([first.fromMs, first.toMs]).toEqual([at("2026-11-25T19:00Z"), at("2026-11-26T19:00Z")]);
		expect(periodBefore(first).toMs).toBe(first.fromMs);
	});

	test("any number of them, one after the other, leave no hour out and count none twice", () => {
		const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Cairo", "Pacific/Apia", "Australia/Lord_Howe");
		fc.assert(
			fc.property(zones, fc.constantFrom(...REPORT_KINDS), fc.integer({ min: 14_000, max: 21_000 }), (zone, kind, some) => {
				const period = periodOfDay(kind, some, zone);
				const before = periodBefore(period);
				expect(before.toMs).toBe(period.fromMs);
				expect(before.endDay).toBe(period.firstDay);
				expect(period.fromMs % 3_600_000).toBe(0);
				expect(spanOfDays(period.firstDay, period.endDay, zone)).toEqual({ fromMs: period.fromMs, toMs: period.toMs });
				expect(lastFinishedPeriod(kind, period.toMs, zone)).toEqual(period);
				expect(lastFinishedPeriod(kind, period.toMs - 1, zone)).toEqual(before);
			}),
			{ numRuns: 40 },
		);
	});
});

describe("a date", () => {
	test("is one there is", () => {
		expect(dateOfDay(day("2024-02-29"))).toBe("2024-02-29");
		for (const none of ["2026-02-29", "2026-13-01", "2026-11-00", "26-11-2026", "yesterday", "2026-11-26T00:00Z", ""]) expect(dayOfDate(none)).toBeUndefined();
	});

	test("that is not over, or before the first booking, is refused with what would do", () => {
		const today = periodOfDay("daily", day("2026-11-26"), "Europe/Berlin");
		expect(unfinishedProblem(today, at("2026-11-26T22:59Z"))).toBe("the day 2026-11-26 is not finished in Europe/Berlin: it ends at 2026-11-26T23:00:00Z");
		expect(unfinishedProblem(today, at("2026-11-25T12:00Z"))).toBe("the day 2026-11-26 has not begun in Europe/Berlin: a report tells of what is over");
		expect(unfinishedProblem(today, at("2026-11-26T23:00Z"))).toBeUndefined();
		expect(beforeBookingsProblem(today, null)).toMatch(/^nothing was booked yet/);
		expect(beforeBookingsProblem(today, today.toMs)).toBe("the day 2026-11-26 is before the first booking, 2026-11-26T23:00:00Z");
		expect(beforeBookingsProblem(today, today.toMs - 1)).toBeUndefined();
	});
});
