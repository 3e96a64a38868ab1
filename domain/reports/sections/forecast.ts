import type { ReportFacts } from "../facts.ts";
import { dearestFirst } from "../figures.ts";
import { type Cell, change, columnsOf, money, NONE, type ReportSection, sectionOf, share, text } from "../report.ts";

/** What the running month will have cost; and, of a month that is over, how good the forecast of its middle was. */
const ROWS_MAX = 15;
const BASIS_POINTS = 10_000n;

export function writeForecast({ teamId, forecasts }: ReportFacts): ReportSection | null {
	if (forecasts === undefined || forecasts.length === 0) return null;
	const isOfAll = teamId === null;
	const ranked = dearestFirst(
		forecasts,
		({ expectedNanoUsd }) => expectedNanoUsd,
		(one) => one.teamId,
	);
	const rows = ranked
		.slice(0, ROWS_MAX)
		.map((one): readonly Cell[] => [
			...(isOfAll ? [text(one.teamId)] : []),
			...[money(one.expectedNanoUsd), money(one.lowNanoUsd), money(one.highNanoUsd)],
			...(one.budget === null
				? [NONE, NONE, NONE]
				: [
						money(one.budget.amountNanoUsd),
						share(BigInt(one.budget.aboveBasisPoints), BASIS_POINTS),
						one.budget.crossedOn === null ? NONE : text(one.budget.crossedOn),
					]),
			one.remark === "" ? NONE : text(one.remark),
		]);
	const columns = columnsOf(...(isOfAll ? ["Team"] : []), ">Expected", ">At least", ">At most", ">Budget", ">Chance above", "Crossed on", "");
	return sectionOf("forecast", `Forecast of ${forecasts[0]?.month ?? "the month"}`, {
		tables: [{ caption: "What the month will have cost; four of five months like it lie between at least and at most", columns, rows }],
	});
}

export function writeForecastErrors({ teamId, forecastErrors }: ReportFacts): ReportSection | null {
	if (forecastErrors === undefined || forecastErrors.length === 0) return null;
	const isOfAll = teamId === null;
	const ranked = dearestFirst(
		forecastErrors,
		({ actualNanoUsd }) => actualNanoUsd,
		(one) => one.teamId,
	);
	const rows = ranked
		.slice(0, ROWS_MAX)
		.map((one): readonly Cell[] => [
			...(isOfAll ? [text(one.teamId)] : []),
			...[money(one.expectedNanoUsd), money(one.actualNanoUsd), change(one.actualNanoUsd, one.expectedNanoUsd)],
			text(one.actualNanoUsd >= one.lowNanoUsd && one.actualNanoUsd <= one.highNanoUsd ? "within its bounds" : "outside its bounds"),
		]);
	const columns = columnsOf(...(isOfAll ? ["Team"] : []), ">Forecast", ">Came to", ">Difference", "Its bounds of 80 %");
	return sectionOf("forecast-errors", "How good the forecast was", {
		tables: [{ caption: "Forecast of the morning of the 15th, and what the month came to", columns, rows }],
	});
}
