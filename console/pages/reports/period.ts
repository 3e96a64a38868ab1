import type { ReportKind } from "#domain/reports/report-period.ts";
import type { operations } from "../../api/schema.ts";
import { formatDay, formatMonth } from "../../format/time.ts";

export type ReportSummary = operations["listReports"]["responses"][200]["content"]["application/json"]["reports"][number];

export const KIND_NAMES: Readonly<Record<ReportKind, string>> = { daily: "Daily", weekly: "Weekly", monthly: "Monthly" };

/** "26 Nov 2026", "Week from 23 Nov 2026", "November 2026". */
export function periodName({ kind, date }: Pick<ReportSummary, "kind" | "date">): string {
	if (kind === "weekly") return `Week from ${formatDay(date)}`;
	return kind === "daily" ? formatDay(date) : formatMonth(date.slice(0, 7));
}

export function whoseReport({ teamId }: Pick<ReportSummary, "teamId">): string {
	return teamId ?? "The organisation";
}

/** As many as are asked for at once. */
export const REPORTS_AT_ONCE = 200;

export type ReportPage = {
	readonly reports: readonly ReportSummary[];
	/** The page after this one is of periods that began before this day; null: this is the last. */
	readonly nextBefore: string | null;
};

/** Pages go by days: of the oldest day of a full page some reports may be missing, and they come with the next one. */
export function pageOf(reports: readonly ReportSummary[], atOnce = REPORTS_AT_ONCE): ReportPage {
	const oldest = reports.at(-1)?.date;
	if (oldest === undefined || reports.length < atOnce) return { reports, nextBefore: null };
	const whole = reports.filter(({ date }) => date > oldest);
	return whole.length === 0 ? { reports, nextBefore: oldest } : { reports: whole, nextBefore: whole.at(-1)?.date ?? null };
}
