import type { WindowKind } from "./scope.ts";

/**
 * Calendar windows of a budget in a named time zone, from Intl alone so that the same file runs in the
 * workflow sandbox. Windows never overlap and never leave a hole: a new one starts where the previous one
 * ended. A change of time zone, week start or fiscal year takes effect at the next window, which is then stretched to the
 * second boundary of the new rule: never shorter than a calendar window, so that a change buys no extra reset.
 * PostgreSQL decides which window a call counts in (money-path §4); this file announces, shows and models.
 */
export type BudgetWindow = {
	/** Epoch milliseconds, inclusive. */
	readonly startsAtMs: number;
	/** Epoch milliseconds, exclusive; null = never ends. */
	readonly endsAtMs: number | null;
};

export type WindowRule = {
	readonly windowKind: WindowKind;
	readonly timeZone: string;
	/** First day of a week, 1 = Monday (default) to 7. */
	readonly weekStart?: number;
	/** First month of the fiscal year, 1 (default) to 12. */
	readonly fiscalYearStart?: number;
};

/** There are about 600, but their letters may be written large or small. */
const MAX_KNOWN_ZONES = 1_000;
const knownZones = new Set<string>();
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** The calendar window that contains `nowMs`, without regard to what came before. */
export function calendarWindow(rule: WindowRule, nowMs: number): BudgetWindow {
	if (rule.windowKind === "lifetime") return { startsAtMs: 0, endsAtMs: null };
	if (rule.windowKind === "hour") {
		const startsAtMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
		return { startsAtMs, endsAtMs: startsAtMs + HOUR_MS };
	}
	const today = localDay(rule.timeZone, nowMs);
	const firstDay = firstDayOfPeriod({ weekStart: 1, fiscalYearStart: 1, ...rule, windowKind: rule.windowKind }, today);
	return { startsAtMs: startOfLocalDay(rule.timeZone, firstDay), endsAtMs: startOfLocalDay(rule.timeZone, firstDayOfNextPeriod(rule.windowKind, firstDay)) };
}

/**
 * The window in force at `nowMs` given the last one known. A clock that goes back never reopens a window:
 * while `nowMs` is before the end of `previous`, `previous` stays.
 */
export function windowInForce(rule: WindowRule, previous: BudgetWindow | undefined, nowMs: number): BudgetWindow {
	if (previous === undefined) return calendarWindow(rule, nowMs);
	if (previous.endsAtMs === null || nowMs < previous.endsAtMs) return previous;
	const following = followingWindow(rule, previous.endsAtMs);
	if (following.endsAtMs === null || nowMs < following.endsAtMs) return following;
	// Nobody was awake for whole windows: after the following one the calendar is regular again.
	return calendarWindow(rule, nowMs);
}

/** The window that starts where another one ended. */
export function followingWindow(rule: WindowRule, startsAtMs: number): BudgetWindow {
	const calendar = calendarWindow(rule, startsAtMs);
	if (calendar.endsAtMs === null || calendar.startsAtMs === startsAtMs) return { startsAtMs, endsAtMs: calendar.endsAtMs };
	return { startsAtMs, endsAtMs: calendarWindow(rule, calendar.endsAtMs).endsAtMs };
}

/** True for a zone this runtime knows; numeric offsets are refused, they have no rules. */
export function isTimeZone(name: string): boolean {
	if (knownZones.has(name)) return true;
	if (!/^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/.test(name)) return false;
	try {
		new Intl.DateTimeFormat("en-US", { timeZone: name });
		// Asking the runtime takes longer than reading the budget it stands in.
		if (knownZones.size < MAX_KNOWN_ZONES) knownZones.add(name);
		return true;
	} catch (error) {
		if (error instanceof RangeError) return false;
		throw error;
	}
}

/** ISO 8601 in UTC to the minute or second, without Date: "2026-11-23T00:00:00Z". */
export function formatInstant(epochMs: number): string {
	const day = Math.floor(epochMs / DAY_MS);
	const { year, month, date } = civilFromDay(day);
	const seconds = Math.floor((epochMs - day * DAY_MS) / 1000);
	const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0")).join(":");
	return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(date).padStart(2, "0")}T${clock}Z`;
}

type CalendarRule = { readonly windowKind: "day" | "week" | "month" | "quarter"; readonly weekStart: number; readonly fiscalYearStart: number };

/** Days are counted from 1970-01-01, which was a Thursday. */
function firstDayOfPeriod({ windowKind, weekStart, fiscalYearStart }: CalendarRule, day: number): number {
	if (windowKind === "day") return day;
	if (windowKind === "week") return day - modulo(day + 4 - weekStart, 7);
	const { year, month } = civilFromDay(day);
	if (windowKind === "month") return dayFromCivil(year, month, 1);
	const first = month - modulo(month - fiscalYearStart, 3);
	return first < 1 ? dayFromCivil(year - 1, first + 12, 1) : dayFromCivil(year, first, 1);
}

function modulo(value: number, divisor: number): number {
	return ((value % divisor) + divisor) % divisor;
}

function firstDayOfNextPeriod(kind: "day" | "week" | "month" | "quarter", firstDay: number): number {
	if (kind === "day") return firstDay + 1;
	if (kind === "week") return firstDay + 7;
	const { year, month } = civilFromDay(firstDay);
	const next = month + (kind === "month" ? 1 : 3);
	return next > 12 ? dayFromCivil(year + 1, next - 12, 1) : dayFromCivil(year, next, 1);
}

/**
 * The first instant whose local date is `day`. Midnight may be skipped by a spring change (Beirut, Cairo)
 * or happen twice in autumn (Havana): the boundary is where the date changes first, found by bisection.
 */
export function startOfLocalDay(timeZone: string, day: number): number {
	const utcMidnight = day * DAY_MS;
	const guess = utcMidnight - offsetAt(timeZone, utcMidnight);
	if (localDay(timeZone, guess) >= day && localDay(timeZone, guess - 1) < day) return guess;
	let before = utcMidnight - DAY_MS;
	let after = utcMidnight + DAY_MS;
	while (after - before > 1) {
		const middle = Math.floor((before + after) / 2);
		if (localDay(timeZone, middle) >= day) after = middle;
		else before = middle;
	}
	return after;
}

/** Days since 1970-01-01 on the zone's calendar. */
export function localDay(timeZone: string, epochMs: number): number {
	return Math.floor((epochMs + offsetAt(timeZone, epochMs)) / DAY_MS);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Local time minus UTC in milliseconds. */
function offsetAt(timeZone: string, epochMs: number): number {
	let format = formats.get(timeZone);
	if (format === undefined) {
		format = new Intl.DateTimeFormat("en-US", {
			timeZone,
			hourCycle: "h23",
			era: "short",
			year: "numeric",
			month: "numeric",
			day: "numeric",
			hour: "numeric",
			minute: "numeric",
			second: "numeric",
		});
		formats.set(timeZone, format);
	}
	const parts: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
	for (const { type, value } of format.formatToParts(epochMs)) parts[type] = value;
	const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts[type]);
	const day = dayFromCivil(number("year"), number("month"), number("day"));
	const localSeconds = day * 86_400 + number("hour") * 3600 + number("minute") * 60 + number("second");
	return localSeconds * 1000 - Math.floor(epochMs / 1000) * 1000;
}

/** Days since 1970-01-01 of a Gregorian date (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
export function dayFromCivil(year: number, month: number, date: number): number {
	const shifted = month <= 2 ? year - 1 : year;
	const era = Math.floor(shifted / 400);
	const yearOfEra = shifted - era * 400;
	const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + date - 1;
	return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

export function civilFromDay(day: number): { year: number; month: number; date: number } {
	const shifted = day + 719_468;
	const era = Math.floor(shifted / 146_097);
	const dayOfEra = shifted - era * 146_097;
	const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
	const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
	const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
	const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
	return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, date: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1 };
}
