import { formatInstant } from "../../budget/window.ts";
import type { Cell, Figure, Plot, Report, ReportSection, ReportTable } from "../report.ts";
import { cellWords } from "./cell-words.ts";
import { describeCut } from "./describe-cut.ts";
import { drawBars } from "./draw-bars.ts";
import { escapeHtml } from "./escape.ts";
import { PAGE_STYLE } from "./page-style.ts";

/** A report as one page that needs nothing else: no script, no file, no address. What is rounded stands exact in the title of its number. */
export function renderHtml(report: Report): string {
	const title = escapeHtml(report.title);
	const period = escapeHtml(report.periodText);
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}, ${period}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<header><h1>${title}</h1><p>${period} · ${escapeHtml(report.timeZone)}</p></header>
${report.sections.map(renderSection).join("\n")}
<footer><p>From <time datetime="${formatInstant(report.fromMs)}">${formatInstant(report.fromMs)}</time> to <time datetime="${formatInstant(report.toMs)}">${formatInstant(report.toMs)}</time>. ${escapeHtml(describeCut(report.cut))} Amounts are in US dollars, rounded; exact to the nano-dollar in the title of each number.</p></footer>
</main>
</body>
</html>
`;
}

function renderSection({ id, title, figures, plots, tables, notes }: ReportSection): string {
	const name = escapeHtml(id);
	const heading = `section-${name}`;
	return [
		`<section id="${name}" aria-labelledby="${heading}"><h2 id="${heading}">${escapeHtml(title)}</h2>`,
		...(figures.length === 0 ? [] : [`<dl>${figures.map(renderFigure).join("")}</dl>`]),
		...plots.map((plot, index) => renderPlot(plot, `${name}-plot-${index + 1}`)),
		...tables.map(renderTable),
		...(notes.length === 0 ? [] : [`<div class="notes">${notes.map((note) => `<p>${escapeHtml(note)}</p>`).join("")}</div>`]),
		"</section>",
	].join("\n");
}

function renderFigure({ label, cell, note }: Figure): string {
	const { attributes, content } = readCell(cell, []);
	return `<div><dt>${escapeHtml(label)}</dt><dd${attributes}>${content}</dd>${note === undefined ? "" : `<dd class="note">${escapeHtml(note)}</dd>`}</div>`;
}

function renderPlot(plot: Plot, id: string): string {
	const level = plot.line === undefined ? "" : ` <span class="key"></span>${escapeHtml(plot.line.label)}`;
	return `<figure><figcaption>${escapeHtml(plot.caption)}${level}</figcaption>\n${drawBars(plot, id)}\n</figure>`;
}

function renderTable({ caption, columns, rows, total }: ReportTable): string {
	const heads = columns.map(({ label, isNumber }) => `<th scope="col"${isNumber ? ' class="number"' : ""}>${escapeHtml(label)}</th>`).join("");
	// The first column of words names the row.
	const naming = columns.findIndex(({ isNumber }) => !isNumber);
	const line = (cells: readonly Cell[]): string =>
		`<tr>${cells.map((cell, index) => renderCell(cell, { isNumber: columns[index]?.isNumber === true, isHead: index === naming })).join("")}</tr>`;
	return [
		`<div class="table" role="region" aria-label="${escapeHtml(caption)}" tabindex="0"><table><caption>${escapeHtml(caption)}</caption>`,
		`<thead><tr>${heads}</tr></thead>`,
		`<tbody>${rows.map(line).join("\n")}</tbody>`,
		...(total === undefined ? [] : [`<tfoot>${line(total)}</tfoot>`]),
		"</table></div>",
	].join("\n");
}

function renderCell(cell: Cell, { isNumber, isHead }: { readonly isNumber: boolean; readonly isHead: boolean }): string {
	const { attributes, content } = readCell(cell, isNumber ? ["number"] : []);
	return isHead ? `<th scope="row"${attributes}>${content}</th>` : `<td${attributes}>${content}</td>`;
}

/** A name keeps its own direction of reading. */
function readCell(cell: Cell, classes: readonly string[]): { readonly attributes: string; readonly content: string } {
	const { shown, exact, tone } = cellWords(cell);
	const all = [...classes, ...(tone === undefined ? [] : [tone])];
	const attributes = `${all.length === 0 ? "" : ` class="${all.join(" ")}"`}${exact === undefined ? "" : ` title="${escapeHtml(exact)}"`}`;
	const words = escapeHtml(shown);
	return { attributes, content: cell.is === "code" ? `<code>${words}</code>` : cell.is === "text" ? `<bdi>${words}</bdi>` : words };
}
