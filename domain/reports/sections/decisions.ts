import { type BudgetDimension, type BudgetUnit, describeSelector, type WindowKind } from "../../budget/scope.ts";
import type { DecisionFacts, ReportFacts } from "../facts.ts";
import { type Cell, code, columnsOf, count, money, NONE, type ReportSection, type ReportTable, sectionOf, text } from "../report.ts";
import { readableInstant } from "../report-period.ts";

/** What waits for a person. */
export function writeDecisions({ decisions }: ReportFacts): ReportSection | null {
	if (decisions === undefined) return null;
	const tables: ReportTable[] = [];
	if (decisions.increases.length > 0)
		tables.push({
			caption: "Increases that wait for an answer",
			columns: columnsOf("Team", ">Asked for", "By", "Why", "Expires", "Request"),
			rows: decisions.increases.map((one): readonly Cell[] => [
				...[text(one.teamId), one.isMoney ? money(one.askedAmount) : count(one.askedAmount)],
				...[text(one.requestedBy), text(one.reason), text(readableInstant(one.expiresAtMs)), code(one.id)],
			]),
		});
	if (decisions.overruns.length > 0)
		tables.push({
			caption: "Budgets whose overrun nobody has cleared",
			columns: columnsOf("Team", "Budget", ">Overrun", "Since"),
			rows: decisions.overruns.map((one): readonly Cell[] => [
				text(one.teamId),
				text(budgetText(one.budget)),
				overrunCell(one),
				text(readableInstant(one.sinceMs)),
			]),
		});
	if (decisions.unresolved.length > 0)
		tables.push({
			caption: "Charges nobody has explained",
			columns: columnsOf("Gateway", ">Charges", ">Amount", "Since"),
			rows: decisions.unresolved.map((one): readonly Cell[] => [
				...[code(one.gateway), one.charges === "" ? NONE : text(one.charges), money(one.nanoUsd), text(readableInstant(one.sinceMs))],
			]),
		});
	if (tables.length === 0) return null;
	return sectionOf("decisions", "Decisions needed", { tables, notes: ["As things stood when the report was written."] });
}

/** Of the key of a budget; the key as it is where it is none of ours. */
function budgetText(key: string): string {
	const [dimension, dimensionValue = "", unit, windowKind, ...rest] = key.split("|");
	if (windowKind === undefined || rest.length > 0) return key;
	return describeSelector({ dimension: dimension as BudgetDimension, dimensionValue, unit: unit as BudgetUnit, windowKind: windowKind as WindowKind });
}

function overrunCell({ budget, amount }: DecisionFacts["overruns"][number]): Cell {
	if (amount === null) return NONE;
	return budget.split("|")[2] === "tokens" ? count(amount) : money(amount);
}
