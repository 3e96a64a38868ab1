import { createRandom, seedOfSeries } from "../statistics/random.ts";
import { median, quantileOfSorted } from "../statistics/robust.ts";
import { type DayModel, drawDays, fitDays } from "./day-model.ts";

/**
 * What a span of days will have cost in all at its end: what is known of it, and a rest that is drawn many times over. Intervals are half of what the drawn
 * paths say and half of how far earlier forecasts of as many days were off (split conformal over rolling origins); of the paths alone where the level changed
 * within the days those errors are taken from, which is said. With less than two weeks it goes on at the pace so far, with twice the interval.
 */
export type ForecastInput = {
	/** Whole days, one after the other, up to the last one known. Days without spend are zero. */
	readonly amounts: readonly number[];
	/** Number of the first of them, from 1970-01-01. */
	readonly firstDay: number;
	/** Of the last amounts, how many belong to the span. */
	readonly daysKnown: number;
	/** Days of the span that are to come. */
	readonly daysAhead: number;
	/** Days before the span that are to come, too; default 0. */
	readonly daysBetween?: number;
	/** Already spent on the first day that is to come; default 0. That day will not cost less. */
	readonly spentToday?: number;
};

export type Interval = { readonly low: number; readonly high: number };

export type Forecast = {
	/** Of the whole span, in the unit of the amounts. */
	readonly median: number;
	readonly interval80: Interval;
	readonly interval95: Interval;
	readonly method: "model" | "run_rate" | "known";
	/** Low with less than 14 days of history. */
	readonly confidence: "normal" | "low";
	/** The level changed so lately that earlier forecasts say nothing of this one's error. */
	readonly isRecentChange: boolean;
	/** Days to come, as they may: what a budget is compared with. */
	readonly paths: readonly (readonly number[])[];
};

export const HISTORY_DAYS_MIN = 14;
const PATHS = 400;
/** Drawn for each earlier forecast, of which the middle alone is wanted. */
const PATHS_OF_ORIGIN = 40;
const ORIGINS = 22;
const ORIGIN_EVERY_DAYS = 2;
const ORIGINS_MIN = 8;
const RECENT_DAYS = 56;

export function forecastTotal(input: ForecastInput): Forecast {
	const { amounts, firstDay, daysKnown, daysAhead, daysBetween = 0, spentToday = 0 } = input;
	const known = daysKnown === 0 ? 0 : sumOf(amounts.slice(-daysKnown));
	if (daysAhead === 0) return certain(known);
	const begun = amounts.findIndex((amount) => amount > 0);
	const history = begun < 0 ? [] : amounts.slice(begun);
	if (history.length < HISTORY_DAYS_MIN) return runRate(input, { known, days: history });
	const from = firstDay + amounts.length;
	const model = fitDays(history, from - history.length);
	const random = createRandom(seedOfSeries(history.slice(-RECENT_DAYS)));
	const paths = Array.from({ length: PATHS }, () => {
		const drawn = drawDays(model, { from, days: daysBetween + daysAhead }, random);
		return drawn.map((amount, ahead) => (ahead === 0 ? Math.max(amount, spentToday) : amount)).slice(daysBetween);
	});
	const rests = paths.map(sumOf).sort((left, right) => left - right);
	const scores = scoresOf({ history, from, daysAhead, daysBetween, start: model.start });
	const isRecentChange = model.start > 0 && history.length - model.start <= RECENT_DAYS;
	const scale = isRecentChange ? undefined : scores;
	const middle = quantileOfSorted(rests, 0.5);
	const within = (share: number): Interval => {
		const { low, high } = intervalOf(rests, middle, share, scale);
		return { low: known + low, high: known + high };
	};
	return { median: known + middle, interval80: within(0.8), interval95: within(0.95), method: "model", confidence: "normal", isRecentChange, paths };
}

function intervalOf(rests: readonly number[], middle: number, share: number, scores: readonly number[] | undefined): Interval {
	const drawn = { low: quantileOfSorted(rests, (1 - share) / 2), high: quantileOfSorted(rests, (1 + share) / 2) };
	if (scores === undefined || scores.length < ORIGINS_MIN || middle <= 0) return drawn;
	const score = quantileOfSorted(scores, share);
	const half = (edge: number, exponent: number): number => Math.sqrt(Math.max(edge, 1e-9 * middle) * middle * Math.exp(exponent));
	return { low: half(drawn.low, -score), high: half(drawn.high, score) };
}

function certain(total: number): Forecast {
	const interval = { low: total, high: total };
	return { median: total, interval80: interval, interval95: interval, method: "known", confidence: "normal", isRecentChange: false, paths: [[]] };
}

/** At the pace of all days there are; days drawn again, and each total twice as far from the middle as it came out. */
function runRate(
	{ amounts, daysAhead, spentToday = 0 }: ForecastInput,
	{ known, days }: { readonly known: number; readonly days: readonly number[] },
): Forecast {
	const pace = days.length === 0 ? 0 : sumOf(days) / days.length;
	const random = createRandom(seedOfSeries(amounts));
	const draw = (): number => days[Math.floor(random.share() * days.length)] ?? 0;
	const paths = Array.from({ length: PATHS }, () => {
		const path = Array.from({ length: daysAhead }, draw);
		const drawn = sumOf(path);
		const wanted = Math.max(0, pace * daysAhead + 2 * (drawn - pace * daysAhead));
		return path.map((amount) => (drawn === 0 ? 0 : (amount * wanted) / drawn));
	});
	const rests = paths.map(sumOf).sort((left, right) => left - right);
	const within = (share: number): Interval => ({
		low: known + Math.max(spentToday, quantileOfSorted(rests, (1 - share) / 2)),
		high: known + Math.max(spentToday, quantileOfSorted(rests, (1 + share) / 2)),
	});
	return {
		median: known + Math.max(pace * daysAhead, spentToday),
		interval80: within(0.8),
		interval95: within(0.95),
		method: "run_rate",
		confidence: "low",
		isRecentChange: false,
		paths,
	};
}

type Origins = { readonly history: readonly number[]; readonly from: number; readonly daysAhead: number; readonly daysBetween: number; readonly start: number };

/** |log(actual / forecast)| of as many days, forecast from what was known at each of the last origins; ascending. */
function scoresOf({ history, from, daysAhead, daysBetween, start }: Origins): readonly number[] {
	const scores: number[] = [];
	for (let origin = 0; origin < ORIGINS; origin++) {
		const end = history.length - daysBetween - daysAhead - origin * ORIGIN_EVERY_DAYS;
		if (end - start < HISTORY_DAYS_MIN) break;
		const before = history.slice(0, end);
		if (before.every((amount) => amount <= 0)) break;
		const firstDay = from - history.length;
		const model: DayModel = fitDays(before, firstDay);
		const random = createRandom(end);
		const rest = median(
			Array.from({ length: PATHS_OF_ORIGIN }, () => sumOf(drawDays(model, { from: firstDay + end, days: daysBetween + daysAhead }, random).slice(daysBetween))),
		);
		const actual = sumOf(history.slice(end + daysBetween, end + daysBetween + daysAhead));
		scores.push(Math.abs(Math.log((actual + model.offset) / (rest + model.offset))));
	}
	return scores.sort((left, right) => left - right);
}

function sumOf(amounts: readonly number[]): number {
	return amounts.reduce((sum, amount) => sum + Math.max(0, amount), 0);
}
