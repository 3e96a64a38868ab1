import type { AnomalyFacts, ReportFacts } from "../facts.ts";
import { dearestFirst } from "../figures.ts";
import { type Cell, columnsOf, money, NONE, type ReportSection, sectionOf, text } from "../report.ts";

/** Days of the period on which a team or feature spent more than it should have, with what moved. */
const ROWS_MAX = 20;
const MOVED: Readonly<Record<AnomalyFacts["movement"], string>> = {
	volume: "more calls",
	mix: "dearer models",
	tokensPerCall: "more tokens a call",
	price: "dearer tokens",
	unknown: "",
};

export function writeAnomalies({ teamId, anomalies }: ReportFacts): ReportSection | null {
	if (anomalies === undefined || anomalies.length === 0) return null;
	const isOfAll = teamId === null;
	const ranked = dearestFirst(
		anomalies,
		({ spentNanoUsd, expectedNanoUsd }) => spentNanoUsd - expectedNanoUsd,
		(one) => `${one.day} ${one.teamId} ${one.feature ?? ""}`,
	);
	const rows = ranked
		.slice(0, ROWS_MAX)
		.map((one): readonly Cell[] => [
			...(isOfAll ? [text(one.teamId)] : []),
			text(one.feature === undefined ? "all" : (one.feature ?? "without a feature")),
			...[money(one.spentNanoUsd), money(one.expectedNanoUsd), text(one.day), one.cause === "" ? NONE : text(one.cause), text(MOVED[one.movement])],
		]);
	const columns = columnsOf(...(isOfAll ? ["Team"] : []), "Of it", ">Spent", ">Expected", "Day", "Cause", "Moved");
	const more = ranked.length - rows.length;
	return sectionOf("anomalies", "Unusual days", {
		tables: [{ caption: "Days that cost more than they should have", columns, rows }],
		notes: more > 0 ? [`And ${more} more: npx tollgate anomalies.`] : [],
	});
}
