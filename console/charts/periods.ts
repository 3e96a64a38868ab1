export type Period = "hour" | "day" | "week" | "month";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_DAYS = 7;
/** 1970-01-01 was a Thursday. */
const EPOCH_WEEKDAY = 3;

/** Beginnings of the periods of UTC from `fromMs` to `toMs`, as the API writes them: those without spend stand in a chart as well. */
export function listPeriods(period: Period, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): string[] {
	const periods: string[] = [];
	for (let startMs = floorTo(period, fromMs); startMs < toMs; startMs = nextOf(period, startMs))
		periods.push(new Date(startMs).toISOString().replace(".000Z", "Z"));
	return periods;
}

export function floorTo(period: Period, ms: number): number {
	if (period === "month") {
		const date = new Date(ms);
		return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
	}
	if (period === "week") return (Math.floor((Math.floor(ms / DAY_MS) + EPOCH_WEEKDAY) / WEEK_DAYS) * WEEK_DAYS - EPOCH_WEEKDAY) * DAY_MS;
	const stepMs = period === "hour" ? HOUR_MS : DAY_MS;
	return Math.floor(ms / stepMs) * stepMs;
}

function nextOf(period: Period, startMs: number): number {
	if (period === "hour") return startMs + HOUR_MS;
	if (period === "day") return startMs + DAY_MS;
	if (period === "week") return startMs + WEEK_DAYS * DAY_MS;
	const date = new Date(startMs);
	return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

/** "28 Nov", "28 Nov 13:00", "Nov 2026"; periods are those of UTC. */
export function nameOfPeriod(period: Period, startsAt: string): string {
	return FORMATS[period].format(new Date(startsAt));
}

const FORMATS: Readonly<Record<Period, Intl.DateTimeFormat>> = {
	hour: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
	day: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" }),
	week: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "2-digit" }),
	month: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", month: "short", year: "numeric" }),
};
