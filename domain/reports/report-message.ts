import { cellWords } from "./rendering/cell-words.ts";
import { type Cell, type Report, reportId } from "./report.ts";

/**
 * What a channel is told of a report: a sentence and a few lines, and where the whole of it is. Plain text: how a channel marks text, it escapes itself.
 * Strings alone, as the detail of an alert.
 */
export type ReportMessage = {
	readonly reportId: string;
	readonly title: string;
	readonly period: string;
	/** Label and value, parted by a tab. */
	readonly lines: readonly string[];
};

/** Slack shows ten fields; the team and where all of it is are two. */
const LINES_MAX = 8;
const FIGURES_MAX = 3;
const TOP_NAMES = 3;
const NAME_LENGTH_MAX = 80;

export function reportMessage(report: Report): ReportMessage {
	const overview = report.sections.find(({ id }) => id === "overview");
	const figures = (overview?.figures ?? []).map(({ label, cell }) => `${label}\t${cellWords(cell).shown}`);
	const tops = ["teams", "models", "features"].flatMap((id) => {
		const section = report.sections.find((one) => one.id === id);
		const rows = section?.tables[0]?.rows.slice(0, TOP_NAMES) ?? [];
		return section === undefined || rows.length === 0 ? [] : [`${section.title}\t${rows.map(([name, spent]) => `${shown(name)} ${shown(spent)}`).join(", ")}`];
	});
	const waits = ["decisions", "budgets", "refusals"].flatMap((id) => {
		const section = report.sections.find((one) => one.id === id);
		if (section === undefined) return [];
		const total = section.tables[0]?.total?.at(-1);
		const rows = section.tables.reduce((sum, table) => sum + table.rows.length, 0);
		return [`${section.title}\t${total === undefined ? rows : shown(total)}`];
	});
	const lines = [...figures.slice(0, FIGURES_MAX), ...waits, ...tops].slice(0, LINES_MAX);
	return { reportId: reportId(report), title: report.title, period: report.periodText, lines };
}

function shown(cell: Cell | undefined): string {
	const { shown: words } = cellWords(cell ?? { is: "none" });
	return words.length > NAME_LENGTH_MAX ? `${words.slice(0, NAME_LENGTH_MAX - 1).replace(/[\uD800-\uDBFF]$/, "")}…` : words;
}
