import { z } from "zod";
import { REPORT_KINDS } from "#domain/reports/report-period.ts";
import { nanoUsd, text, Workflow } from "./administration-contract.ts";

/** Reports of the administration API. */

const date = z.string().max(40).describe("a day inside its period, like 2026-11-26; default the newest period that is over");
const kind = z.enum(REPORT_KINDS);

export const MakeReportRequest = z.strictObject({
	kind,
	date: date.optional(),
	teamId: text.optional().describe("default the organisation"),
	again: z.boolean().optional().describe("write it from the books as they are now; it is another edition where it says something else"),
	tell: z.boolean().optional().describe("tell channels of it, once of each report"),
});

export const ReportSummary = z.object({
	id: z.string().describe("like daily-2026-11-26, or daily-2026-11-26-search of a team"),
	kind,
	date: z.string().describe("first day of its period"),
	teamId: z.string().nullable().describe("null: the organisation"),
	edition: z.int(),
	writtenAt: z.string(),
	writtenBy: z.string(),
	spentNanoUsd: nanoUsd,
});

export const ReportList = z.object({ reports: z.array(ReportSummary) });

export const ReportListQuery = z.strictObject({
	kind: kind.optional(),
	teamId: text.optional().describe("@organization: those of the organisation alone"),
	before: z.iso.date().optional().describe("of periods that began before this day"),
	limit: z.coerce.number().int().min(1).max(1_000).default(50),
});

const Cell = z.discriminatedUnion("is", [
	z.object({ is: z.literal("text"), text: z.string() }),
	z.object({ is: z.literal("code"), text: z.string() }),
	z.object({ is: z.literal("money"), nanoUsd }),
	z.object({ is: z.literal("count"), count: z.string() }),
	z.object({ is: z.literal("change"), nowNanoUsd: nanoUsd, beforeNanoUsd: nanoUsd.nullable() }),
	z.object({ is: z.literal("share"), part: z.string(), whole: z.string() }),
	z.object({ is: z.literal("none") }),
]);

export const ReportContent = z.object({
	schemaVersion: z.literal(1),
	kind,
	teamId: z.string().nullable(),
	date: z.string(),
	title: z.string(),
	periodText: z.string(),
	timeZone: z.string(),
	fromMs: z.int(),
	toMs: z.int(),
	cut: z.object({ chunks: z.string(), bookedUpToMs: z.int().nullable() }).describe("of the books, as of when it was written"),
	sections: z.array(
		z.object({
			id: z.string(),
			title: z.string(),
			figures: z.array(z.object({ label: z.string(), cell: Cell, note: z.string().optional() })),
			plots: z.array(
				z.object({
					caption: z.string(),
					bars: z.array(z.object({ label: z.string(), nanoUsd, isMarked: z.boolean() })),
					line: z.object({ label: z.string(), nanoUsd }).optional(),
				}),
			),
			tables: z.array(
				z.object({
					caption: z.string(),
					columns: z.array(z.object({ label: z.string(), isNumber: z.boolean() })),
					rows: z.array(z.array(Cell)),
					total: z.array(Cell).optional(),
				}),
			),
			notes: z.array(z.string()),
		}),
	),
});

export const MadeReport = ReportSummary.extend({
	isNew: z.boolean().describe("it was written now; else it is what was written before"),
	isTold: z.boolean().describe("channels were told now"),
});

export const ReportQuery = z.strictObject({
	format: z.enum(["json", "html", "markdown"]).default("json"),
	edition: z.coerce.number().int().min(1).max(1_000_000).optional().describe("default the newest"),
});

export const StoredReport = ReportSummary.extend({ workflow: Workflow, report: ReportContent });
