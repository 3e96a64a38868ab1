import type { ReportKind } from "#domain/reports/report-period.ts";

/** The wire contract of the workflow that writes reports. Names here are persisted by Temporal: never renamed, never reused. */
export const REPORT_WORKFLOW = "reportWorkflow";
export const REPORT_TASK_QUEUE = "reports";

/** Of the schedule of a kind, and before the time of each of its runs. */
export function reportScheduleId(kind: ReportKind): string {
	return `report/${kind}`;
}

export type ReportInput = {
	readonly kind: ReportKind;
	/** A day inside the period; default: the newest that was over when the schedule meant this run to begin. */
	readonly date?: string;
};

/** Counts alone: what was written is in PostgreSQL. */
export type ReportResult = {
	/** First day of the period; null: there was nothing to report. */
	readonly date: string | null;
	/** Of teams that spent something. */
	readonly teams: number;
	/** Why there was nothing to report. */
	readonly problem?: string;
};
