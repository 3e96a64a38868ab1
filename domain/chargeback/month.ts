import { calendarWindow } from "../budget/window.ts";

/** Months of a calendar, written like "2026-10". Instants are epoch milliseconds. */
export type MonthSpan = { readonly startsAtMs: number; readonly endsAtMs: number };

const MONTH = /^(20\d{2})-(0[1-9]|1[0-2])$/;
const DAY_MS = 86_400_000;

export function isMonth(text: string): boolean {
	return MONTH.test(text);
}

/** From its first midnight to the first of the next, in that time zone. */
export function monthSpan(month: string, timeZone: string): MonthSpan {
	const [, year, number] = MONTH.exec(month) ?? [];
	if (year === undefined) throw new RangeError(`${month} is no month like 2026-10`);
	const middle = Date.UTC(Number(year), Number(number) - 1, 15);
	const { startsAtMs, endsAtMs } = calendarWindow({ windowKind: "month", timeZone, weekStart: 1, fiscalYearStart: 1 }, middle);
	return { startsAtMs, endsAtMs: endsAtMs ?? startsAtMs };
}

/** The month that an instant lies in. */
export function monthAt(epochMs: number, timeZone: string): string {
	const { startsAtMs } = calendarWindow({ windowKind: "month", timeZone, weekStart: 1, fiscalYearStart: 1 }, epochMs);
	const middle = new Date(startsAtMs + 14 * DAY_MS);
	return `${middle.getUTCFullYear()}-${String(middle.getUTCMonth() + 1).padStart(2, "0")}`;
}

export function monthBefore(month: string): string {
	const [year = 0, number = 1] = month.split("-").map(Number);
	const before = new Date(Date.UTC(year, number - 2, 1));
	return `${before.getUTCFullYear()}-${String(before.getUTCMonth() + 1).padStart(2, "0")}`;
}
