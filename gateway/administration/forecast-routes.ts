import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { readAnomalies } from "#activities/forecast/read-anomalies.ts";
import { dateOf, invalid, readForecasts } from "#activities/forecast/read-forecasts.ts";
import * as contract from "#clients/forecast-contract.ts";
import { anomaliesToCsv, forecastsToCsv } from "#clients/forecast-csv.ts";
import type { ExcessCause } from "#domain/anomaly/explain-excess.ts";
import { ofQuery, readers } from "./access.ts";
import { defineRoute, type Route, WrittenAnswer } from "./route.ts";

/** What will be spent, and what should not have been. */
export const FORECAST_ROUTES: readonly Route[] = [
	defineRoute("GET /forecast", {
		operationId: "readForecast",
		access: readers(ofQuery()),
		summary: "What a month will have cost, by team or feature, beside its budget; as CSV with format=csv",
		answer: contract.ForecastReport,
		query: contract.ForecastQuery,
		handle: async ({ database }, { query: { format, ...question } }) => {
			refuseFeatureOfTeams(question);
			await requireKnownTeam(database, question.teamId);
			const { forecasts, leftOut, isComplete } = await readForecasts(database, question);
			const rows = forecasts.map(({ budget, ...forecast }) => ({
				...asText(forecast),
				budget: budget && {
					...budget,
					amountNanoUsd: budget.amountNanoUsd.toString(),
					crossedOn: dayOf(budget.crossedOn),
					crossedEarlyOn: dayOf(budget.crossedEarlyOn),
				},
			}));
			const report = { by: question.by, rows, leftOut, isComplete };
			return format === "csv" ? WrittenAnswer.csv(forecastsToCsv(report)) : report;
		},
	}),
	defineRoute("GET /anomalies", {
		operationId: "readAnomalies",
		access: readers(ofQuery()),
		summary: "Days on which a team or feature spent more than it should have, and why; as CSV with format=csv",
		answer: contract.AnomalyReport,
		query: contract.AnomalyQuery,
		handle: async ({ database }, { query: { format, ...question } }) => {
			refuseFeatureOfTeams(question);
			await requireKnownTeam(database, question.teamId);
			const { anomalies, leftOut, isComplete } = await readAnomalies(database, question);
			const rows = anomalies.map(({ cause, ...anomaly }) => ({ ...asText(anomaly), cause: cause && causeAsText(cause) }));
			const report = { by: question.by, rows, leftOut, isComplete };
			return format === "csv" ? WrittenAnswer.csv(anomaliesToCsv(report)) : report;
		},
	}),
];

function refuseFeatureOfTeams({ by, feature }: { readonly by: "team" | "feature"; readonly feature?: string | undefined }): void {
	if (by === "team" && feature !== undefined) throw invalid("feature", "is of by=feature alone");
}

type Texts<Values> = { [Name in keyof Values]: Values[Name] extends bigint ? string : Values[Name] };

/** Amounts as the wire has them. */
function asText<Values extends object>(values: Values): Texts<Values> {
	return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "bigint" ? value.toString() : value])) as Texts<Values>;
}

function causeAsText({ movements, groups, ...cause }: ExcessCause) {
	return { ...asText(cause), groups: { ...groups }, movements: asText(movements) };
}

function dayOf(day: number | null): string | null {
	return day === null ? null : dateOf(day);
}
