import type { ReportKind } from "./report-period.ts";

/**
 * A report is data first: sections of figures, tables and plots, which any rendering shows without knowing what they are about. Names in it are as people
 * gave them; each rendering escapes them. Money is bigint nano-USD.
 */
export type Report = {
	readonly schemaVersion: 1;
	readonly kind: ReportKind;
	/** null: the whole organisation. */
	readonly teamId: string | null;
	/** Names the period: its first day, like 2026-11-26. */
	readonly date: string;
	/** "Daily report: team search". */
	readonly title: string;
	/** "Thursday, 26 November 2026". */
	readonly periodText: string;
	readonly timeZone: string;
	/** Epoch milliseconds; the end is exclusive. */
	readonly fromMs: number;
	readonly toMs: number;
	readonly cut: ReportCut;
	readonly sections: readonly ReportSection[];
};

/** As of when the books were read: whoever reads the same cut writes the same report. */
export type ReportCut = {
	/** Chunks of the ledger that were in it, of all gateways together; a decimal string. */
	readonly chunks: string;
	/** Epoch milliseconds: when the newest of them was booked; null = none was. */
	readonly bookedUpToMs: number | null;
};

export type ReportSection = {
	/** A wire name, like "teams": never renamed. */
	readonly id: string;
	readonly title: string;
	readonly figures: readonly Figure[];
	readonly plots: readonly Plot[];
	readonly tables: readonly ReportTable[];
	/** Sentences below. */
	readonly notes: readonly string[];
};

export type Cell =
	| { readonly is: "text"; readonly text: string }
	/** An identifier people copy. */
	| { readonly is: "code"; readonly text: string }
	| { readonly is: "money"; readonly nanoUsd: bigint }
	| { readonly is: "count"; readonly count: bigint }
	/** By how much it is more or less than before; null = there is nothing to compare with. */
	| { readonly is: "change"; readonly nowNanoUsd: bigint; readonly beforeNanoUsd: bigint | null }
	/** Of a whole. */
	| { readonly is: "share"; readonly part: bigint; readonly whole: bigint }
	| { readonly is: "none" };

export type Figure = { readonly label: string; readonly cell: Cell; readonly note?: string };

export type ReportTable = {
	readonly caption: string;
	readonly columns: readonly { readonly label: string; readonly isNumber: boolean }[];
	readonly rows: readonly (readonly Cell[])[];
	/** Last row, set apart. */
	readonly total?: readonly Cell[];
};

/** Bars over days. */
export type Plot = {
	readonly caption: string;
	readonly bars: readonly { readonly label: string; readonly nanoUsd: bigint; readonly isMarked: boolean }[];
	/** A level to compare with, like what was expected. */
	readonly line?: { readonly label: string; readonly nanoUsd: bigint };
};

export const text = (words: string): Cell => ({ is: "text", text: words });
export const code = (words: string): Cell => ({ is: "code", text: words });
export const money = (nanoUsd: bigint | null): Cell => (nanoUsd === null ? NONE : { is: "money", nanoUsd });
export const count = (value: bigint): Cell => ({ is: "count", count: value });
export const change = (nowNanoUsd: bigint, beforeNanoUsd: bigint | null): Cell => ({ is: "change", nowNanoUsd, beforeNanoUsd });
export const share = (part: bigint, whole: bigint): Cell => ({ is: "share", part, whole });
export const NONE: Cell = { is: "none" };

/** Columns of a table: a name with ">" in front holds numbers. */
export function columnsOf(...labels: readonly string[]): ReportTable["columns"] {
	return labels.map((label) => ({ label: label.replace(/^>/, ""), isNumber: label.startsWith(">") }));
}

export function sectionOf(id: string, title: string, parts: Partial<Omit<ReportSection, "id" | "title">>): ReportSection {
	return { id, title, figures: [], plots: [], tables: [], notes: [], ...parts };
}

const REPORT_ID = /^(daily|weekly|monthly)-(\d{4}-\d{2}-\d{2})(?:-([a-z0-9][a-z0-9._-]{0,62}))?$/;

export type ReportName = Pick<Report, "kind" | "date" | "teamId">;

/** "daily-2026-11-26", "daily-2026-11-26-search". */
export function reportId({ kind, date, teamId }: ReportName): string {
	return `${kind}-${date}${teamId === null ? "" : `-${teamId}`}`;
}

/** undefined: it is the id of no report. */
export function readReportId(id: string): ReportName | undefined {
	const [, kind, date, teamId] = REPORT_ID.exec(id) ?? [];
	return kind === undefined || date === undefined ? undefined : { kind: kind as ReportKind, date, teamId: teamId ?? null };
}
