import type { ReportFacts } from "../facts.ts";
import { dearestFirst, sumOf } from "../figures.ts";
import { type Cell, columnsOf, count, money, type ReportSection, sectionOf, share, text } from "../report.ts";

/** Features that use a dear model for simple work, and what a cheaper one would save. */
const ROWS_MAX = 10;

export function writeSavings({ teamId, savings }: ReportFacts): ReportSection | null {
	if (savings === undefined || savings.length === 0) return null;
	const isOfAll = teamId === null;
	const ranked = dearestFirst(
		savings,
		({ expectedNanoUsd }) => expectedNanoUsd,
		(one) => `${one.teamId} ${one.feature ?? ""} ${one.model}`,
	);
	const rows = ranked
		.slice(0, ROWS_MAX)
		.map((one): readonly Cell[] => [
			...(isOfAll ? [text(one.teamId)] : []),
			text(one.feature ?? "without a feature"),
			money(one.expectedNanoUsd),
			...[text(one.model), text(one.cheaperModel), share(one.simpleCalls, one.calls), count(one.calls), money(one.lowNanoUsd), money(one.highNanoUsd)],
		]);
	const columns = columnsOf(...(isOfAll ? ["Team"] : []), "Feature", ">Saved in 30 days", "Model", "Cheaper", ">Simple", ">Calls", ">At least", ">At most");
	return sectionOf("savings", "Dear models for simple work", {
		figures: [
			{
				label: "Expected in 30 days",
				cell: money(sumOf(savings.map(({ expectedNanoUsd }) => expectedNanoUsd))),
				note: "if simple calls went to the cheaper model",
			},
		],
		tables: [{ caption: "Of the last 28 days; four of five months lie between the last two", columns, rows }],
		notes: [
			"Simple by length and structure alone. A recommendation: nothing is changed, and whether the cheaper model is good enough is for an evaluation to say. What is simple, says npx tollgate audit.",
		],
	});
}
