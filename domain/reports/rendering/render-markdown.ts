import { formatInstant } from "../../budget/window.ts";
import type { Cell, Figure, Report, ReportSection, ReportTable } from "../report.ts";
import { cellWords } from "./cell-words.ts";
import { describeCut } from "./describe-cut.ts";
import { describePlot } from "./describe-plot.ts";
import { escapeMarkdown } from "./escape.ts";

/** A report as Markdown (CommonMark with tables). Plots are told in a sentence. */
export function renderMarkdown(report: Report): string {
	const head = [`# ${escapeMarkdown(report.title)}`, "", `**${escapeMarkdown(report.periodText)}**, ${escapeMarkdown(report.timeZone)}`];
	const foot = ["---", "", `${escapeMarkdown(`From ${formatInstant(report.fromMs)} to ${formatInstant(report.toMs)}. ${describeCut(report.cut)}`)}`, ""];
	return [...head, "", ...report.sections.flatMap(sectionLines), ...foot].join("\n");
}

function sectionLines({ title, figures, plots, tables, notes }: ReportSection): string[] {
	return [
		...[`## ${escapeMarkdown(title)}`, ""],
		...figures.map(figureLine),
		...(figures.length > 0 ? [""] : []),
		...plots.flatMap((plot) => [escapeMarkdown(describePlot(plot)), ""]),
		...tables.flatMap(tableLines),
		...notes.flatMap((note) => [escapeMarkdown(note), ""]),
	];
}

function figureLine({ label, cell, note }: Figure): string {
	return `- ${escapeMarkdown(label)}: **${cellMarkdown(cell)}**${note === undefined ? "" : ` (${escapeMarkdown(note)})`}`;
}

function tableLines({ caption, columns, rows, total }: ReportTable): string[] {
	const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
	return [
		...[`**${escapeMarkdown(caption)}**`, ""],
		line(columns.map(({ label }) => escapeMarkdown(label))),
		line(columns.map(({ isNumber }) => (isNumber ? "---:" : ":---"))),
		...rows.map((row) => line(row.map(cellMarkdown))),
		...(total === undefined ? [] : [line(total.map((cell) => `**${cellMarkdown(cell)}**`))]),
		"",
	];
}

function cellMarkdown(cell: Cell): string {
	return escapeMarkdown(cellWords(cell).shown);
}
