import { calendarWindow, civilFromDay, dayFromCivil, formatInstant, localDay, startOfLocalDay } from "../budget/window.ts";

/**
 * Which time a report is about: a day, a week from Monday, or a month, on the calendar of one time zone. What was spent is known by hours of UTC, so a day
 * of a zone whose midnight is within an hour begins with the next one; such days leave no hole and never overlap.
 */
export const REPORT_KINDS = ["daily", "weekly", "monthly"] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];

/** Epoch milliseconds on the hour of UTC; the end is exclusive. */
export type Span = { readonly fromMs: number; readonly toMs: number };

export type ReportPeriod = Span & {
	readonly kind: ReportKind;
	/** Its first day, like 2026-11-26; weeks begin on Monday. It names the period. */
	readonly date: string;
	/** Days since 1970-01-01 on the zone's calendar; the end is exclusive. */
	readonly firstDay: number;
	readonly endDay: number;
	readonly timeZone: string;
};

const WINDOW_KINDS = { daily: "day", weekly: "week", monthly: "month" } as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Inside any local day, which has 23 hours at least. */
const WELL_INSIDE_MS = 21_600_000;
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;

/** The period of a kind that a day is in. */
export function periodOfDay(kind: ReportKind, day: number, timeZone: string): ReportPeriod {
	const insideMs = startOfLocalDay(timeZone, day) + WELL_INSIDE_MS;
	const { startsAtMs, endsAtMs } = calendarWindow({ windowKind: WINDOW_KINDS[kind], timeZone }, insideMs);
	const firstDay = localDay(timeZone, startsAtMs);
	const endDay = localDay(timeZone, endsAtMs ?? startsAtMs);
	return { kind, date: dateOfDay(firstDay), firstDay, endDay, timeZone, ...spanOfDays(firstDay, endDay, timeZone) };
}

/** The newest period that is over at an instant. */
export function lastFinishedPeriod(kind: ReportKind, nowMs: number, timeZone: string): ReportPeriod {
	let period = periodOfDay(kind, localDay(timeZone, nowMs), timeZone);
	// Twice where the day before has begun its last hour late.
	while (period.toMs > nowMs) period = periodBefore(period);
	return period;
}

/** The period that ended when this one began; `count` of them ago. */
export function periodBefore(period: ReportPeriod, count = 1): ReportPeriod {
	return count === 0 ? period : periodBefore(periodOfDay(period.kind, period.firstDay - 1, period.timeZone), count - 1);
}

/** Of whole days of a zone's calendar. */
export function spanOfDays(firstDay: number, endDay: number, timeZone: string): Span {
	return { fromMs: onTheHour(startOfLocalDay(timeZone, firstDay)), toMs: onTheHour(startOfLocalDay(timeZone, endDay)) };
}

/** Days since 1970-01-01 of a date like 2026-11-26; undefined = there is no such day. */
export function dayOfDate(date: string): number | undefined {
	const [, year, month, dayOfMonth] = (DATE.exec(date) ?? []).map(Number);
	if (year === undefined || month === undefined || dayOfMonth === undefined || month < 1 || month > 12) return undefined;
	const day = dayFromCivil(year, month, dayOfMonth);
	return dayOfMonth >= 1 && dateOfDay(day) === date ? day : undefined;
}

export function dateOfDay(day: number): string {
	const { year, month, date } = civilFromDay(day);
	return [String(year).padStart(4, "0"), String(month).padStart(2, "0"), String(date).padStart(2, "0")].join("-");
}

/** Why there is no report of a period yet; undefined = it is over. */
export function unfinishedProblem(period: ReportPeriod, nowMs: number): string | undefined {
	const name = `${PERIOD_NAMES[period.kind]} ${period.date}`;
	if (period.fromMs > nowMs) return `${name} has not begun in ${period.timeZone}: a report tells of what is over`;
	if (period.toMs > nowMs) return `${name} is not finished in ${period.timeZone}: it ends at ${formatInstant(period.toMs)}`;
	return undefined;
}

/** Why there is nothing to report of a period; `firstBookedMs` null: nothing was ever booked. */
export function beforeBookingsProblem({ kind, date, toMs }: ReportPeriod, firstBookedMs: number | null): string | undefined {
	if (firstBookedMs === null) return "nothing was booked yet: there is nothing to report";
	return toMs <= firstBookedMs ? `${PERIOD_NAMES[kind]} ${date} is before the first booking, ${formatInstant(firstBookedMs)}` : undefined;
}

const PERIOD_NAMES: Readonly<Record<ReportKind, string>> = { daily: "the day", weekly: "the week from", monthly: "the month from" };

const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"] as const;

/** 1970-01-01 was a Thursday. */
export function weekdayOf(day: number): string {
	return WEEKDAYS[(((day + 3) % 7) + 7) % 7] ?? "";
}

/** "Thursday, 26 November 2026", "Week from 23 to 29 November 2026", "November 2026". */
export function describePeriod({ kind, firstDay, endDay }: ReportPeriod): string {
	if (kind === "daily") return `${weekdayOf(firstDay)}, ${longDate(firstDay)}`;
	if (kind === "weekly") return `Week from ${longDate(firstDay)} to ${longDate(endDay - 1)}`;
	const { year, month } = civilFromDay(firstDay);
	return `${MONTHS[month - 1]} ${year}`;
}

/** "26 November 2026". */
export function longDate(day: number): string {
	const { year, month, date } = civilFromDay(day);
	return `${date} ${MONTHS[month - 1]} ${year}`;
}

/** "26 Nov". */
export function shortDate(day: number): string {
	const { month, date } = civilFromDay(day);
	return `${date} ${(MONTHS[month - 1] ?? "").slice(0, 3)}`;
}

/** "26 Nov 2026, 14:05 UTC". */
export function readableInstant(atMs: number): string {
	const day = Math.floor(atMs / DAY_MS);
	return `${shortDate(day)} ${civilFromDay(day).year}, ${formatInstant(atMs).slice(11, 16)} UTC`;
}

function onTheHour(ms: number): number {
	return Math.ceil(ms / HOUR_MS) * HOUR_MS;
}
