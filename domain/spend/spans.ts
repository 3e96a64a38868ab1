/**
 * How a span of time is covered by sums that are kept by hour and by a larger unit of UTC: whole units in its middle, hours at both ends.
 * Instants are epoch milliseconds, ends are exclusive.
 */
export type Span = { readonly fromMs: number; readonly toMs: number };

export type SpanUnit = "day" | "month";

export type Cover = {
	/** Empty spans have `fromMs` = `toMs`. */
	readonly whole: Span;
	readonly before: Span;
	readonly after: Span;
};

export const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Both ends must be on the hour. Where no whole unit lies inside, hours cover all of it. */
export function coverSpan({ fromMs, toMs }: Span, unit: SpanUnit): Cover {
	const startMs = startAtOrAfter(fromMs, unit);
	const endMs = startAtOrBefore(toMs, unit);
	if (startMs >= endMs) return { before: { fromMs, toMs }, whole: { fromMs: toMs, toMs }, after: { fromMs: toMs, toMs } };
	return { before: { fromMs, toMs: startMs }, whole: { fromMs: startMs, toMs: endMs }, after: { fromMs: endMs, toMs } };
}

function startAtOrBefore(ms: number, unit: SpanUnit): number {
	return unit === "day" ? Math.floor(ms / DAY_MS) * DAY_MS : startOfMonth(ms, 0);
}

function startAtOrAfter(ms: number, unit: SpanUnit): number {
	const before = startAtOrBefore(ms, unit);
	if (before === ms) return ms;
	return unit === "day" ? before + DAY_MS : startOfMonth(ms, 1);
}

function startOfMonth(ms: number, later: number): number {
	const date = new Date(ms);
	return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later);
}
