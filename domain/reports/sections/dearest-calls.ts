import { formatInstant } from "../../budget/window.ts";
import type { DearCall, ReportFacts } from "../facts.ts";
import { type Cell, code, columnsOf, count, money, NONE, type ReportSection, sectionOf, text } from "../report.ts";

/** Single calls that cost most, with the request that `tollgate explain` explains. */
export function writeDearestCalls({ teamId, dearestCalls }: ReportFacts): ReportSection | null {
	if (dearestCalls === undefined || dearestCalls.length === 0) return null;
	const isOfAll = teamId === null;
	const rows = dearestCalls.map((dear): readonly Cell[] => [
		money(dear.nanoUsd),
		...(isOfAll ? [text(dear.teamId)] : []),
		...callCells(dear),
		text(formatInstant(dear.atMs).slice(11, 16)),
	]);
	const columns = columnsOf(">Cost", ...(isOfAll ? ["Team"] : []), "Model", "Feature", ">Input tokens", ">Output tokens", "Request", ">UTC");
	return sectionOf("dearest-calls", "Dearest calls", {
		tables: [{ caption: "Single calls that cost most, as they were booked", columns, rows }],
		notes: ["What one of them was, says npx tollgate explain with its request."],
	});
}

function callCells({ call }: DearCall): readonly Cell[] {
	if (call === undefined) return [NONE, NONE, NONE, NONE, NONE];
	const { model, feature, inputTokens, outputTokens, requestId } = call;
	return [text(model), feature === null ? NONE : text(feature), count(inputTokens), count(outputTokens), code(requestId)];
}
