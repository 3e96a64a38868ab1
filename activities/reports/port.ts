import type { Report } from "#domain/reports/report.ts";
import type { ReportKind } from "#domain/reports/report-period.ts";

export type ReportRequest = {
	readonly kind: ReportKind;
	/** A day inside the period, like 2026-11-26; default: the newest period that is over. */
	readonly date?: string | undefined;
	/** Default: the organisation. */
	readonly teamId?: string | undefined;
	/** Write it from the books as they are now, beside what was written before. Default false. */
	readonly again?: boolean | undefined;
	/** Tell channels, once of each report. Default false. */
	readonly tell?: boolean | undefined;
};

export type ReportSummary = {
	readonly id: string;
	readonly kind: ReportKind;
	/** First day of its period. */
	readonly date: string;
	/** null: the organisation. */
	readonly teamId: string | null;
	/** Counts from 1; another one was written again and says something else. */
	readonly edition: number;
	readonly writtenAtMs: number;
	readonly writtenBy: string;
	/** Decimal string. */
	readonly spentNanoUsd: string;
};

export type StoredReport = ReportSummary & {
	/** Of the workflow that wrote it; null: somebody who asked for it. */
	readonly workflowId: string | null;
	readonly report: Report;
};

export type MadeReport = {
	readonly stored: StoredReport;
	/** It was written now. */
	readonly isNew: boolean;
	/** A channel, or the list of alerts, was told now. */
	readonly isTold: boolean;
};

export type ReportSettings = {
	/** IANA name: days, weeks and months are of its calendar. */
	readonly timeZone: string;
};
