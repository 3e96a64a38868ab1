import type { ReportFacts } from "../facts.ts";
import { dearestFirst, sumOf } from "../figures.ts";
import { type Cell, code, columnsOf, count, type ReportSection, sectionOf, text } from "../report.ts";

const ROWS_MAX = 15;

/** Calls that were refused, by team and reason. */
export function writeRefusals({ teamId, refusals }: ReportFacts): ReportSection | null {
	if (refusals?.isCapped === true)
		return sectionOf("refusals", "Refused calls", { notes: ["More than a million calls were refused: too many to tell them apart."] });
	if (refusals === undefined || refusals.rows.length === 0) return null;
	const ranked = dearestFirst(
		refusals.rows,
		({ calls }) => calls,
		(row) => `${row.teamId} ${row.code}`,
	);
	const others = ranked.slice(ROWS_MAX);
	const isOfAll = teamId === null;
	const cells = (team: string, reason: Cell, calls: bigint): readonly Cell[] => [...(isOfAll ? [text(team)] : []), reason, count(calls)];
	const rows = ranked.slice(0, ROWS_MAX).map((row) => cells(row.teamId, code(row.code), row.calls));
	const caption = "Refused calls by reason";
	return sectionOf("refusals", "Refused calls", {
		tables: [
			{
				caption,
				columns: columnsOf(...(isOfAll ? ["Team"] : []), "Reason", ">Calls"),
				rows:
					others.length === 0
						? rows
						: [...rows, cells(`${others.length} others`, text(isOfAll ? "" : `${others.length} others`), sumOf(others.map(({ calls }) => calls)))],
				total: cells("All", text(isOfAll ? "" : "All"), sumOf(ranked.map(({ calls }) => calls))),
			},
		],
	});
}
