import type { ReportFacts } from "#domain/reports/facts.ts";
import type { ReportPeriod } from "#domain/reports/report-period.ts";

/**
 * One part of what a report is written from: a scalar expression of type jsonb, and how its value is read. All of a report's are asked in one statement, which
 * sees one snapshot of the books. They may use `slice` (id, and the columns of tollgate.spend_slice, of the asked team alone) and `sums` (span, slice_id,
 * calls, amount_nano_usd, unresolved_nano_usd).
 */
export type ReportSource<Name extends keyof ReportFacts = keyof ReportFacts> = {
	readonly name: Name;
	/** Default: of every report. */
	readonly isFor?: (scope: ReportScope) => boolean;
	/** `put` takes a value and returns its parameter. */
	readonly sql: (scope: ReportScope, put: (value: unknown) => string) => string;
	readonly read: (wire: unknown, scope: ReportScope) => ReportFacts[Name];
};

export type ReportScope = {
	readonly period: ReportPeriod;
	/** null: the organisation. */
	readonly teamId: string | null;
};

export const instant = (ms: number): string => new Date(ms).toISOString();
