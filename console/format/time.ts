const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, ms: number])[] = [
	["year", 31_557_600_000],
	["month", 2_629_800_000],
	["day", 86_400_000],
	["hour", 3_600_000],
	["minute", 60_000],
	["second", 1_000],
];

type Zoned = { readonly timeZone: string };

/** PostgreSQL knows zones that a browser may not; a page then shows and names UTC. */
export function knownTimeZone(timeZone: string): string {
	try {
		return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
	} catch (error) {
		if (error instanceof RangeError) return "UTC";
		throw error;
	}
}

/** "28 Nov 2026, 01:40". */
export function formatInstant(iso: string, { timeZone }: Zoned): string {
	return formatter({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }, timeZone).format(new Date(iso));
}

/** "01:40:07". */
export function formatClock(ms: number, { timeZone }: Zoned): string {
	return formatter({ hour: "2-digit", minute: "2-digit", second: "2-digit" }, timeZone).format(new Date(ms));
}

/** A day like "2026-11-28" as "28 Nov 2026"; days have no time zone any more. */
export function formatDay(day: string): string {
	return formatter({ day: "numeric", month: "short", year: "numeric" }, "UTC").format(new Date(`${day}T00:00:00Z`));
}

/** A month like "2026-11" as "November 2026". */
export function formatMonth(month: string): string {
	return formatter({ month: "long", year: "numeric" }, "UTC").format(new Date(`${month}-01T00:00:00Z`));
}

/** "in 3 hours", "2 days ago". */
export function formatRelative(iso: string, nowMs: number): string {
	const distanceMs = Date.parse(iso) - nowMs;
	const [unit, ms] = STEPS.find(([, stepMs]) => Math.abs(distanceMs) >= stepMs) ?? ["second", 1_000];
	return RELATIVE.format(Math.round(distanceMs / ms), unit);
}

/** "850 ms", "12.3 s", "3 min 20 s". */
export function formatDuration(durationMs: number): string {
	if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
	if (durationMs < 60_000) return `${(durationMs / 1_000).toFixed(1)} s`;
	return `${Math.floor(durationMs / 60_000)} min ${Math.round((durationMs % 60_000) / 1_000)} s`;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(options: Intl.DateTimeFormatOptions, timeZone: string): Intl.DateTimeFormat {
	const key = `${timeZone} ${JSON.stringify(options)}`;
	const known = formatters.get(key);
	if (known !== undefined) return known;
	const made = new Intl.DateTimeFormat("en-GB", { ...options, hourCycle: "h23", timeZone });
	formatters.set(key, made);
	return made;
}
