import { forecastMonth } from "#domain/forecast/forecast-month.ts";
import { type JudgedSeries, monthOf } from "./series.ts";

/** One forecast of one month, beside what the month cost and what the run-rate rule says: spend so far by the days so far. */
export type JudgedForecast = {
	/** Of what the month cost. */
	readonly error: number;
	readonly runRateError: number;
	readonly isWithin80: boolean;
	readonly isRecentChange: boolean;
	readonly isLowConfidence: boolean;
	readonly isRunRate: boolean;
};

/** From the first `origin` days of the series; its month has to be whole in it, and cost something. undefined: it is not so. */
export function judgeForecast(series: JudgedSeries, origin: number): JudgedForecast | undefined {
	const today = series.firstDay + origin;
	const month = monthOf(today - 1);
	const actual = sumOf(series.amountsNanoUsd.slice(Math.max(0, month.startsOn - series.firstDay), month.endsOn - series.firstDay));
	if (actual <= 0 || month.endsOn - series.firstDay > series.amountsNanoUsd.length || today >= month.endsOn) return undefined;
	const known = series.amountsNanoUsd.slice(0, origin);
	const forecast = forecastMonth({ amountsNanoUsd: known, firstDay: series.firstDay, ...month });
	const daysKnown = today - Math.max(month.startsOn, series.firstDay);
	const daysOfMonth = month.endsOn - Math.max(month.startsOn, series.firstDay);
	const runRate = (sumOf(known.slice(-daysKnown)) / daysKnown) * daysOfMonth;
	return {
		error: Math.abs(Number(forecast.expectedNanoUsd) - actual) / actual,
		runRateError: Math.abs(runRate - actual) / actual,
		isWithin80: Number(forecast.low80NanoUsd) <= actual && actual <= Number(forecast.high80NanoUsd),
		isRecentChange: forecast.isRecentChange,
		isLowConfidence: forecast.confidence === "low",
		isRunRate: forecast.method === "run_rate",
	};
}

export type ForecastFigures = {
	readonly forecasts: number;
	/** Percent, two decimals. */
	readonly mapePercent: number;
	readonly runRateMapePercent: number;
	readonly covered80Percent: number;
	readonly recentChangePercent: number;
};

export function figuresOf(judged: readonly JudgedForecast[]): ForecastFigures {
	const percent = (of: (one: JudgedForecast) => number): number =>
		Math.round((10_000 * judged.reduce((sum, one) => sum + of(one), 0)) / Math.max(1, judged.length)) / 100;
	return {
		forecasts: judged.length,
		mapePercent: percent(({ error }) => error),
		runRateMapePercent: percent(({ runRateError }) => runRateError),
		covered80Percent: percent(({ isWithin80 }) => Number(isWithin80)),
		recentChangePercent: percent(({ isRecentChange }) => Number(isRecentChange)),
	};
}

const ENOUGH_SERIES = 500;

/** What figures miss, in words. With fewer than 500 forecasts coverage may be off by two standard errors more. */
export function missesOf(name: string, kind: "steady" | "step", figures: ForecastFigures): string[] {
	const { forecasts, mapePercent, runRateMapePercent, covered80Percent } = figures;
	if (forecasts === 0) return [];
	const slack = forecasts >= ENOUGH_SERIES ? 0 : 200 * Math.sqrt((0.8 * 0.2) / forecasts);
	const [lowest, highest] = kind === "steady" ? [75 - slack, 85 + slack] : [70 - slack, 100];
	const mapeMax = kind === "steady" ? 0.8 * runRateMapePercent : runRateMapePercent;
	return [
		...(mapePercent > mapeMax ? [`${name}: MAPE ${mapePercent} % is above ${mapeMax.toFixed(2)} %`] : []),
		...(covered80Percent < lowest || covered80Percent > highest
			? [`${name}: 80 % intervals cover ${covered80Percent} %, not ${lowest.toFixed(1)} to ${Math.min(100, highest).toFixed(1)} %`]
			: []),
	];
}

function sumOf(amounts: readonly bigint[]): number {
	return Number(amounts.reduce((sum, amount) => sum + amount, 0n));
}
