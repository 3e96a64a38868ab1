import { useMemo } from "react";
import { useAnswer } from "../../api/use-answer.ts";
import { floorTo, listPeriods } from "../../charts/periods.ts";
import { sum } from "../../charts/series.ts";

const DAY_MS = 86_400_000;
export const DAYS_SHOWN = 42;
const WEEK_DAYS = 7;

/** Spend of the last six weeks by day of UTC, and by team or, of one team, by model: the same question for all parts of the page that ask it. */
export function useDailySpend(team: string | undefined) {
	const todayMs = floorTo("day", Date.now());
	const fromMs = todayMs - DAYS_SHOWN * DAY_MS;
	const by = team === undefined ? "team" : "model";
	const query = useAnswer(
		"/admin/v1/spend",
		{ query: { by, per: "day", from: new Date(fromMs).toISOString(), ...(team !== undefined && { teamId: team }) } },
		{ topics: ["spend"] },
	);
	const periods = useMemo(() => listPeriods("day", { fromMs, toMs: todayMs + DAY_MS }), [fromMs, todayMs]);
	return { query, periods, by } as const;
}

/** What a whole day like the last of `totals` usually costs: the median of the same weekday before; null where there is none. */
export function usualDay(totals: readonly bigint[]): bigint | null {
	const earlier = totals
		.slice(0, -1)
		.filter((_, index) => (totals.length - 1 - index) % WEEK_DAYS === 0)
		.sort((one, other) => (one < other ? -1 : 1));
	if (earlier.length === 0 || sum(earlier) === 0n) return null;
	return earlier[Math.floor(earlier.length / 2)] ?? null;
}
