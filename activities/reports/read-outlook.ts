import { auditModels } from "#activities/audit/audit-models.ts";
import type { CheaperSources } from "#activities/audit/choose-cheaper.ts";
import { type FoundAnomaly, readAnomalies } from "#activities/forecast/read-anomalies.ts";
import { readForecasts, type SeriesForecast } from "#activities/forecast/read-forecasts.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { readCurrentPriceBook } from "#activities/pricebooks/postgres.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { AnomalyFacts, ForecastErrorFacts, ForecastFacts, ReportFacts, SavingFacts } from "#domain/reports/facts.ts";
import { dateOfDay, type ReportPeriod } from "#domain/reports/report-period.ts";

/** Which models there are, and which of them are cheaper ones of others. */
export type ModelChoice = Pick<CheaperSources, "providers" | "table">;
export type OutlookSources = {
	readonly database: Queryable;
	/** Absent: what a cheaper model would save is not looked for. */
	readonly models?: ModelChoice | undefined;
};
type Scope = { readonly period: ReportPeriod; readonly teamId: string | null };
type Outlook = Pick<ReportFacts, "anomalies" | "forecasts" | "forecastErrors" | "savings">;

const DAY_MS = 86_400_000;
/** Of a month that is over, the forecast of this day of it is judged. */
const JUDGED_DAY = 15;
/** A team's calendar may be behind that of the report by so many days. */
const DAYS_BEHIND_MAX = 2;

/**
 * What models say of the books: unusual days of the period, the forecast of the running month, how good that of a month that is over was, and what a cheaper
 * model would save. Read after the facts of the books themselves, from sums of days that are over. A part that reaches further back than its model goes, or
 * that would be longer than it answers, is absent.
 */
export async function readOutlook(sources: OutlookSources, scope: Scope): Promise<Outlook> {
	const { database } = sources;
	const anomalies = await ifPossible(() => findAnomalies(database, scope));
	const forecasts = scope.period.kind === "monthly" ? undefined : await ifPossible(() => forecast(database, scope));
	const forecastErrors = scope.period.kind === "monthly" ? await ifPossible(() => judgeForecasts(database, scope)) : undefined;
	const { models } = sources;
	const savings = models && (await ifPossible(() => findSavings(database, models, scope)));
	return { ...(anomalies && { anomalies }), ...(forecasts && { forecasts }), ...(forecastErrors && { forecastErrors }), ...(savings && { savings }) };
}

/** undefined: what was asked for is refused as too old or too long. */
async function ifPossible<Value>(read: () => Promise<Value>): Promise<Value | undefined> {
	try {
		return await read();
	} catch (error) {
		if (error instanceof CostControlError && error.code === "admin.invalid") return undefined;
		throw error;
	}
}

async function findAnomalies(database: Queryable, { period, teamId }: Scope): Promise<readonly AnomalyFacts[]> {
	const asked = { teamId: teamId ?? undefined, from: period.date, to: dateOfDay(period.endDay) };
	const { anomalies: ofTeams } = await readAnomalies(database, { ...asked, by: "team" });
	const { anomalies: ofFeatures } = await readAnomalies(database, { ...asked, by: "feature" });
	const explained = new Set(ofTeams.map(({ teamId: team, day, cause }) => JSON.stringify([team, day, cause?.groups.feature])));
	const rest = ofFeatures.filter(({ teamId: team, day, feature }) => !explained.has(JSON.stringify([team, day, feature])));
	return [...ofTeams, ...rest].map(toAnomaly);
}

function toAnomaly({ teamId, feature, day, spentNanoUsd, expectedNanoUsd, cause }: FoundAnomaly): AnomalyFacts {
	const groups = Object.entries(cause?.groups ?? {}).map(([dimension, value]) => `${dimension} ${value ?? "(none)"}`);
	return {
		...{ teamId, day, spentNanoUsd, expectedNanoUsd, cause: groups.join(", "), movement: cause?.largest ?? "unknown" },
		...(feature !== undefined && { feature }),
	};
}

/** As on the morning after the period. */
async function forecast(database: Queryable, { period, teamId }: Scope): Promise<readonly ForecastFacts[]> {
	for (let behind = 0; ; behind++) {
		try {
			const asOf = dateOfDay(period.endDay - behind);
			const { forecasts } = await readForecasts(database, { by: "team", teamId: teamId ?? undefined, asOf });
			return forecasts.map(toForecast);
		} catch (error) {
			// Where that morning has not come yet for one of the teams, the one before is asked for.
			if (behind === DAYS_BEHIND_MAX || !(error instanceof CostControlError) || error.code !== "admin.invalid") throw error;
		}
	}
}

function toForecast({ teamId, month, expectedNanoUsd, low80NanoUsd, high80NanoUsd, budget, confidence, isRecentChange }: SeriesForecast): ForecastFacts {
	const remark = confidence === "low" ? "few days known" : isRecentChange ? "changed lately" : "";
	return {
		...{ teamId, month, expectedNanoUsd, lowNanoUsd: low80NanoUsd, highNanoUsd: high80NanoUsd, remark },
		budget: budget && {
			amountNanoUsd: budget.amountNanoUsd,
			aboveBasisPoints: budget.aboveBasisPoints,
			crossedOn: budget.crossedOn === null ? null : dateOfDay(budget.crossedOn),
		},
	};
}

async function judgeForecasts(database: Queryable, { period, teamId }: Scope): Promise<readonly ForecastErrorFacts[]> {
	const month = period.date.slice(0, 7);
	const asked = { by: "team" as const, teamId: teamId ?? undefined, month };
	const { forecasts } = await readForecasts(database, { ...asked, asOf: dateOfDay(period.firstDay + JUDGED_DAY - 1) });
	const { forecasts: actual } = await readForecasts(database, asked);
	const cameTo = new Map(actual.map((one) => [one.teamId, one.expectedNanoUsd]));
	return forecasts.flatMap(({ teamId: team, expectedNanoUsd, low80NanoUsd, high80NanoUsd }) => {
		const actualNanoUsd = cameTo.get(team);
		if (actualNanoUsd === undefined || (actualNanoUsd === 0n && expectedNanoUsd === 0n)) return [];
		return [{ teamId: team, expectedNanoUsd, lowNanoUsd: low80NanoUsd, highNanoUsd: high80NanoUsd, actualNanoUsd }];
	});
}

/** Of the 28 days of UTC before the end of the period. */
async function findSavings(database: Queryable, { providers, table }: ModelChoice, { period, teamId }: Scope): Promise<readonly SavingFacts[]> {
	const { book } = await readCurrentPriceBook(database);
	const to = new Date(Math.floor(period.toMs / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
	const { uses } = await auditModels({ database, book, providers, asked: {}, table }, { teamId: teamId ?? undefined, to });
	return uses.flatMap(({ teamId: team, feature, model, calls, simpleCalls, cheaper }) => {
		if (cheaper?.isRecommended !== true) return [];
		const { expectedNanoUsd, lowNanoUsd, highNanoUsd } = cheaper.monthly;
		const sums = { calls: BigInt(calls), simpleCalls: BigInt(simpleCalls), expectedNanoUsd, lowNanoUsd, highNanoUsd };
		return [{ teamId: team, feature, model, cheaperModel: cheaper.model, ...sums }];
	});
}
