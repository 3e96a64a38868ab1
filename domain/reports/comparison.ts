import type { GroupSpend, ReportFacts } from "./facts.ts";
import { roundedDivision, sumOf } from "./figures.ts";
import { periodBefore, periodOfDay, type ReportKind, type ReportPeriod, weekdayOf } from "./report-period.ts";

/**
 * With what a period is compared: a day with the same weekday of the week before, a week with the mean of the four before it, a month with the one before.
 * Spans before the first booking say nothing and are left out.
 */
export const SPANS: Readonly<Record<ReportKind, { readonly count: number; readonly compared: number }>> = {
	/** Six weeks, as an expectation of a day needs them. */
	daily: { count: 7, compared: 1 },
	weekly: { count: 5, compared: 4 },
	monthly: { count: 2, compared: 1 },
};

const WEEK_DAYS = 7;

/** The period, then those it is compared with, newest first: of a day the same weekdays. */
export function comparedPeriods(period: ReportPeriod): readonly ReportPeriod[] {
	const { kind, firstDay, timeZone } = period;
	return Array.from({ length: SPANS[kind].count }, (_, index) => {
		if (index === 0) return period;
		return kind === "monthly" ? periodBefore(period, index) : periodOfDay(kind, firstDay - WEEK_DAYS * index, timeZone);
	});
}

/** How many spans there are to compare with; 0 = the books are too young. */
export function comparableSpans({ period, firstBookedMs }: Pick<ReportFacts, "period" | "firstBookedMs">): number {
	const before = comparedPeriods(period).slice(1, 1 + SPANS[period.kind].compared);
	return before.filter(({ toMs }) => firstBookedMs !== null && toMs > firstBookedMs).length;
}

/** What it was before, by amounts of spans: the mean of those there are; null = none. */
export function amountBefore(amounts: readonly bigint[], comparable: number): bigint | null {
	return comparable === 0 ? null : roundedDivision(sumOf(amounts.slice(1, 1 + comparable)), BigInt(comparable));
}

/** "Thursday before", "Mean of 4 weeks before", "Month before". */
export function beforeLabel({ period, firstBookedMs }: Pick<ReportFacts, "period" | "firstBookedMs">): string {
	if (period.kind === "daily") return `${weekdayOf(period.firstDay)} before`;
	if (period.kind === "monthly") return "Month before";
	const comparable = comparableSpans({ period, firstBookedMs });
	return comparable === 1 ? "Week before" : `Mean of ${comparable || SPANS.weekly.compared} weeks before`;
}

export type Compared = GroupSpend & { readonly nowNanoUsd: bigint; readonly beforeNanoUsd: bigint | null };

export function compareGroups(groups: readonly GroupSpend[], comparable: number): readonly Compared[] {
	return groups.map((group) => ({ ...group, nowNanoUsd: group.nanoUsd[0] ?? 0n, beforeNanoUsd: amountBefore(group.nanoUsd, comparable) }));
}
