import { describe, expect, test } from "vitest";
import type { WindowKind } from "#domain/budget/scope.ts";
import { calendarWindow, followingWindow, formatInstant, isTimeZone, type WindowRule, windowInForce } from "#domain/budget/window.ts";

const at = (iso: string): number => Date.parse(iso);

type Starts = Pick<WindowRule, "weekStart" | "fiscalYearStart">;

function bounds(windowKind: WindowKind, timeZone: string, now: string, starts: Starts = {}): [string, string | null] {
	const window = calendarWindow({ windowKind, timeZone, ...starts }, at(now));
	return [new Date(window.startsAtMs).toISOString(), window.endsAtMs === null ? null : new Date(window.endsAtMs).toISOString()];
}

describe("calendar windows", () => {
	test.each([
		["hour", "Asia/Kolkata", "2026-11-23T10:29:40Z", "2026-11-23T10:00:00.000Z", "2026-11-23T11:00:00.000Z"],
		["day", "UTC", "2026-11-23T10:29:40Z", "2026-11-23T00:00:00.000Z", "2026-11-24T00:00:00.000Z"],
		["day", "America/New_York", "2026-11-23T03:00:00Z", "2026-11-22T05:00:00.000Z", "2026-11-23T05:00:00.000Z"],
		["week", "UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00.000Z", "2026-11-23T00:00:00.000Z"],
		["month", "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00.000Z", "2028-03-01T00:00:00.000Z"],
		["month", "Asia/Tokyo", "2026-12-31T16:00:00Z", "2026-12-31T15:00:00.000Z", "2027-01-31T15:00:00.000Z"],
		["quarter", "UTC", "2026-12-31T23:59:59Z", "2026-10-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"],
	] as const)("%s in %s at %s", (kind, zone, now, start, end) => {
		expect(bounds(kind, zone, now)).toEqual([start, end]);
	});

	test.each([
		[{ weekStart: 7 }, "2026-11-21T23:59:59Z", "2026-11-15", "2026-11-22"], // a Saturday, of a week from Sunday
		[{ weekStart: 7 }, "2026-11-22T00:00:00Z", "2026-11-22", "2026-11-29"],
		[{ weekStart: 3 }, "2026-11-24T12:00:00Z", "2026-11-18", "2026-11-25"],
	])("a week with %j at %s", (starts, now, start, end) => {
		expect(bounds("week", "UTC", now, starts)).toEqual([`${start}T00:00:00.000Z`, `${end}T00:00:00.000Z`]);
	});

	test.each([
		[{ fiscalYearStart: 4 }, "2026-11-22T12:00:00Z", "2026-10-01", "2027-01-01"],
		[{ fiscalYearStart: 2 }, "2027-01-31T23:59:59Z", "2026-11-01", "2027-02-01"],
		[{ fiscalYearStart: 12 }, "2027-02-28T12:00:00Z", "2026-12-01", "2027-03-01"],
		[{ fiscalYearStart: 12 }, "2026-11-30T12:00:00Z", "2026-09-01", "2026-12-01"],
		[{ fiscalYearStart: 3 }, "2026-05-31T12:00:00Z", "2026-03-01", "2026-06-01"],
	])("a quarter with %j at %s", (starts, now, start, end) => {
		expect(bounds("quarter", "UTC", now, starts)).toEqual([`${start}T00:00:00.000Z`, `${end}T00:00:00.000Z`]);
	});

	test("other windows know nothing of weeks and fiscal years", () => {
		for (const kind of ["hour", "day", "month"] as const)
			expect(bounds(kind, "Europe/Berlin", "2026-11-23T10:29:40Z", { weekStart: 4, fiscalYearStart: 6 })).toEqual(
				bounds(kind, "Europe/Berlin", "2026-11-23T10:29:40Z"),
			);
	});

	test("a lifetime window never ends", () => {
		expect(bounds("lifetime", "UTC", "2026-11-23T10:29:40Z")).toEqual(["1970-01-01T00:00:00.000Z", null]);
	});

	test.each([
		["Europe/Berlin spring", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"],
		["Europe/Berlin autumn", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"],
		["midnight skipped in Cairo", "Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00.000Z", "2026-04-24T21:00:00.000Z"],
		["midnight twice in Havana", "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00.000Z", "2026-11-02T05:00:00.000Z"],
		["a skipped day in Samoa", "Pacific/Apia", "2011-12-31T12:00:00Z", "2011-12-31T10:00:00.000Z", "2012-01-01T10:00:00.000Z"],
	])("daylight changes: %s", (_, zone, now, start, end) => {
		expect(bounds("day", zone, now)).toEqual([start, end]);
	});
});

describe("windows in force", () => {
	const utcDay = { windowKind: "day", timeZone: "UTC" } as const;
	const monday = calendarWindow(utcDay, at("2026-11-23T12:00:00Z"));

	test("a clock that goes back never reopens a window", () => {
		expect(windowInForce(utcDay, monday, at("2026-11-20T00:00:00Z"))).toEqual(monday);
	});

	test("after days without anyone awake the calendar is regular again", () => {
		expect(windowInForce(utcDay, monday, at("2026-11-27T08:00:00Z"))).toEqual(calendarWindow(utcDay, at("2026-11-27T08:00:00Z")));
	});

	test("a time-zone change waits for the next window, starts it where the old one ended, and gives no early reset", () => {
		const tokyo = { windowKind: "day", timeZone: "Asia/Tokyo" } as const;
		expect(windowInForce(tokyo, monday, at("2026-11-23T20:00:00Z"))).toEqual(monday);
		const next = windowInForce(tokyo, monday, at("2026-11-24T00:00:01Z"));
		expect([formatInstant(next.startsAtMs), formatInstant(next.endsAtMs!)]).toEqual(["2026-11-24T00:00:00Z", "2026-11-25T15:00:00Z"]);
		expect(followingWindow(tokyo, next.endsAtMs!)).toEqual(calendarWindow(tokyo, next.endsAtMs!));
	});
});

describe("names and instants", () => {
	test("time zones are IANA names; offsets and nonsense are not", () => {
		expect(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"].every(isTimeZone)).toBe(true);
		expect(["+02:00", "Mars/Base", "", "Europe/Berlin; DROP"].some(isTimeZone)).toBe(false);
	});

	test("instants read as ISO 8601 in UTC", () => {
		for (const iso of ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-23T10:29:40Z", "1969-12-31T23:59:59Z"])
			expect(formatInstant(at(iso))).toBe(iso);
	});
});
