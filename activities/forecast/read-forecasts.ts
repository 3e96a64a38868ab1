import type { Queryable } from "#activities/keys/port.ts";
import { countForAnswer } from "#activities/spend/count-spend.ts";
import { type DailyQuestion, type DailySpend, readDailySpend } from "#activities/spend/read-days.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { forecastMonth, type MonthForecast } from "#domain/forecast/forecast-month.ts";

export type ForecastQuestion = Pick<DailyQuestion, "by" | "teamId" | "feature"> & {
	/** Like 2026-11; default the running one, on the calendar of each series. */
	readonly month?: string | undefined;
	/** A day like 2026-11-12: forecast as on its morning; default today. */
	readonly asOf?: string | undefined;
};

export type SeriesForecast = Pick<DailySpend, "teamId" | "feature" | "timeZone"> &
	MonthForecast & {
		/** Like 2026-11. */
		readonly month: string;
		/** Of its days so many are over. */
		readonly daysOver: number;
		readonly daysOfMonth: number;
	};

export type Forecasts = { readonly forecasts: readonly SeriesForecast[]; readonly leftOut: number; readonly isComplete: boolean };

const DAY_MS = 86_400_000;
/** Longer ahead than this nothing learnt from a few months holds. */
const MONTHS_AHEAD_MAX = 2;
const MONTHS_BACK_MAX = 12;

/**
 * What months will have cost, the dearest series first; what the ledger booked last is counted first.
 * @throws CostControlError "admin.invalid" for a month or day that is none, or that is too far away.
 */
export async function readForecasts(database: Queryable, { month, asOf, ...question }: ForecastQuestion): Promise<Forecasts> {
	const asked = month === undefined ? undefined : readMonth(month);
	const morning = asOf === undefined ? undefined : readDay(asOf, "asOf");
	const { isComplete } = await countForAnswer(database);
	const { series, leftOut } = await readDailySpend(database, { ...question, daysBack: (MONTHS_BACK_MAX + 8) * 31 });
	// Of nobody who spends it is refused as of anybody.
	if (series.length === 0) monthAndMorning(await utcToday(database), asked, morning);
	const forecasts: SeriesForecast[] = [];
	for (const one of series) {
		forecasts.push(forecastSeries(one, asked, morning));
		await nextTurn();
	}
	return { forecasts, leftOut, isComplete };
}

function forecastSeries(series: DailySpend, asked: number | undefined, asOf: number | undefined): SeriesForecast {
	const { teamId, feature, timeZone, today, firstDay, amountsNanoUsd, monthBudgetNanoUsd } = series;
	const { number, morning } = monthAndMorning(today, asked, asOf);
	const [startsOn, endsOn] = [firstDayOf(number), firstDayOf(number + 1)];
	const known = amountsNanoUsd.slice(0, Math.max(0, morning - firstDay));
	// Where spend began within the month, the days before cost nothing.
	const forecast = forecastMonth({
		amountsNanoUsd: known,
		firstDay: known.length === 0 ? morning : firstDay,
		...{ startsOn, endsOn, budgetNanoUsd: monthBudgetNanoUsd },
		spentTodayNanoUsd: asOf === undefined ? amountsNanoUsd.at(-1) : 0n,
	});
	const daysOver = Math.min(Math.max(0, morning - startsOn), endsOn - startsOn);
	return { teamId, ...(feature !== undefined && { feature }), timeZone, month: nameOf(number), daysOver, daysOfMonth: endsOn - startsOn, ...forecast };
}

/** @throws CostControlError "admin.invalid" where they are too far from `today`. */
function monthAndMorning(today: number, asked: number | undefined, asOf: number | undefined): { readonly number: number; readonly morning: number } {
	const morning = asOf ?? today;
	if (morning > today) throw invalid("asOf", "is not over yet");
	const running = monthNumberOf(today);
	const number = asked ?? monthNumberOf(morning);
	if (number > monthNumberOf(morning) + MONTHS_AHEAD_MAX) throw invalid("month", `is more than ${MONTHS_AHEAD_MAX} months ahead: too far to tell`);
	if (Math.min(number, monthNumberOf(morning)) < running - MONTHS_BACK_MAX)
		throw invalid(asked === undefined ? "asOf" : "month", `is more than ${MONTHS_BACK_MAX} months ago: ask npx tollgate spend`);
	return { number, morning };
}

/** By the database's clock, as the days of series. */
export async function utcToday(database: Queryable): Promise<number> {
	const { rows } = await database.query<{ today: number }>("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date - date '1970-01-01' AS today");
	return rows[0]?.today ?? 0;
}

/** Forecasts take some milliseconds each: what else this process does comes in between. */
function nextTurn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}

function readMonth(text: string): number {
	const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
	if (year === undefined || month === undefined) throw invalid("month", `${JSON.stringify(text.slice(0, 40))} is no month like 2026-11`);
	return Number(year) * 12 + Number(month) - 1;
}

/** As a number of days. @throws CostControlError "admin.invalid". */
export function readDay(text: string, field: string): number {
	const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
	if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text)
		throw invalid(field, `${JSON.stringify(text.slice(0, 40))} is no day like 2026-11-01`);
	return ms / DAY_MS;
}

/** Like 2026-11-01. */
export function dateOf(day: number): string {
	return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

function monthNumberOf(day: number): number {
	const date = dateOf(day);
	return Number(date.slice(0, 4)) * 12 + Number(date.slice(5, 7)) - 1;
}

function firstDayOf(month: number): number {
	return Date.UTC(Math.floor(month / 12), month % 12) / DAY_MS;
}

function nameOf(month: number): string {
	return dateOf(firstDayOf(month)).slice(0, 7);
}

export function invalid(field: string, problem: string): CostControlError {
	return new CostControlError("admin.invalid", `${field}: ${problem}`, { details: { field } });
}
