import { amountBefore, beforeLabel, comparableSpans } from "../comparison.ts";
import { expectationOf } from "../expectation.ts";
import type { ReportFacts } from "../facts.ts";
import { change, count, type Figure, money, type Plot, type ReportSection, sectionOf } from "../report.ts";
import { shortDate, weekdayOf } from "../report-period.ts";

/** What was spent in all, beside what was expected and what it was before, and how the days went. */
export function writeOverview(facts: ReportFacts): ReportSection {
	const { period, totals, days } = facts;
	const [total] = totals;
	const spent = total?.nanoUsd ?? 0n;
	const unresolved = total?.unresolvedNanoUsd ?? 0n;
	const comparable = comparableSpans(facts);
	const before = amountBefore(
		totals.map(({ nanoUsd }) => nanoUsd),
		comparable,
	);
	const expected = period.kind === "daily" ? expectationOf(facts, facts.teamId) : null;
	const figures: Figure[] = [
		{ label: "Spent", cell: money(spent) },
		...(expected === null ? [] : [{ label: "Expected", cell: money(expected.amountNanoUsd), note: EXPECTED_FROM[expected.from] }]),
		...(expected === null ? [] : [{ label: "Against expected", cell: change(spent, expected.amountNanoUsd) }]),
		...(before === null ? [] : [{ label: beforeLabel(facts), cell: money(before) }]),
		...(before === null ? [] : [{ label: "Against before", cell: change(spent, before) }]),
		{ label: "Calls", cell: count(total?.calls ?? 0n) },
		...(unresolved === 0n ? [] : [{ label: "Of it unresolved", cell: money(unresolved), note: "charged without knowing what it cost" }]),
	];
	const plot: Plot = {
		caption: `Spent per day, ${shortDate(days[0]?.day ?? period.firstDay)} to ${shortDate(period.endDay - 1)}`,
		bars: days.map(({ day, nanoUsd }) => ({ label: `${weekdayOf(day).slice(0, 3)} ${shortDate(day)}`, nanoUsd, isMarked: day >= period.firstDay })),
		...(expected !== null && { line: { label: "Expected of the day", nanoUsd: expected.amountNanoUsd } }),
	};
	const isYoung = comparable === 0 ? ["There are no earlier bookings to compare with."] : [];
	return sectionOf("overview", "In all", { figures, plots: days.length > 1 ? [plot] : [], notes: isYoung });
}

const EXPECTED_FROM = {
	history: "median of this weekday in up to six weeks before",
	limit: "what the budgets allow a day: there are not yet 14 days of history",
} as const;
