import { type Expectation, expectDay } from "../budget/expected-day.ts";
import type { ReportFacts } from "./facts.ts";

const WEEK_DAYS = 7;
const WELL_INSIDE_MS = 21_600_000;

/** What was expected of the day of a daily report; `teamId` null: of the organisation. Null: there is neither history nor a budget. */
export function expectationOf(facts: ReportFacts, teamId: string | null): Expectation | null {
	const known = facts.expectations?.find((one) => one.teamId === teamId);
	const amounts = teamId === facts.teamId ? facts.totals.map(({ nanoUsd }) => nanoUsd) : facts.teams?.find(({ name }) => name === teamId)?.nanoUsd;
	if (known === undefined || amounts === undefined) return null;
	return expectFrom(facts, known, amounts);
}

/** `amounts`: of the day and the same weekdays before it, newest first. */
export function expectFrom(
	{ period }: Pick<ReportFacts, "period">,
	{ firstDay, limits }: Pick<NonNullable<ReportFacts["expectations"]>[number], "firstDay" | "limits">,
	amounts: readonly bigint[],
): Expectation | null {
	const day = period.firstDay;
	const earlier = amounts.slice(1).map((amountNanoUsd, index) => ({ day: day - WEEK_DAYS * (index + 1), amountNanoUsd }));
	return expectDay({ day, insideMs: period.fromMs + WELL_INSIDE_MS, firstDay, earlier, limits });
}
