import { clip, median } from "../statistics/robust.ts";

/**
 * Level and trend of logarithms without their weekdays: a line taken out where there clearly is one, and exponential smoothing of what is left (Gardner and
 * McKenzie 1985). Errors move the level by three noises at most, so that a wild day does not carry it off. How fast the level wanders is never known for sure:
 * each smoothing parameter of a small grid counts by how well it explained the days (the likelihood of Laplace errors), and before there are many, by how often
 * levels are that restless.
 */
export type Level = {
	/** A day, and its standard error. */
	readonly slope: number;
	readonly slopeError: number;
	readonly noise: number;
	/** Weights sum to one. */
	readonly candidates: readonly (Smoothed & { readonly weight: number })[];
};

export type Smoothed = {
	readonly alpha: number;
	/** At the last day, and its standard error. */
	readonly level: number;
	readonly levelError: number;
	/** One step ahead, oldest first. */
	readonly errors: readonly number[];
};

/** With how likely each is before anything is known. */
const ALPHAS = [
	{ alpha: 0, before: 0.5 },
	{ alpha: 0.05, before: 0.2 },
	{ alpha: 0.1, before: 0.15 },
	{ alpha: 0.2, before: 0.1 },
	{ alpha: 0.4, before: 0.05 },
];
const CLIPPED_AT = 3;
const TREND_DAYS_MIN = 21;
/** Of the slope's own error: chance reaches it in one series of a thousand, wandering levels in more. */
const TREND_T_MIN = 3.5;
/** No habit is steeper; a ramp is an accident. */
const SLOPE_MAX = 0.02;
const SEASONED_DAYS = 5;

/** `noise` is that of one value, above zero. */
export function fitLevel(values: readonly number[], noise: number): Level {
	const { slope, error: slopeError } = trendOf(values, noise);
	const last = values.length - 1;
	const flat = values.map((value, index) => value - slope * (index - last));
	const fits = ALPHAS.map(({ alpha, before }) => ({ ...smooth(flat, alpha, noise), before }));
	const least = Math.min(...fits.map(({ loss }) => loss));
	const judged = Math.max(0, values.length - SEASONED_DAYS);
	const likely = fits.map(({ before, loss }) => before * (loss <= 0 ? 1 : (least / loss) ** judged));
	const all = likely.reduce((sum, one) => sum + one, 0);
	const candidates = fits.map(({ alpha, level, levelError, errors }, index) => ({ alpha, level, levelError, errors, weight: (likely[index] ?? 0) / all }));
	return { slope, slopeError, noise, candidates };
}

/** Least squares over values that are at most three noises from the line; none where it is not clear or too short. */
function trendOf(values: readonly number[], noise: number): { readonly slope: number; readonly error: number } {
	const count = values.length;
	if (count < TREND_DAYS_MIN) return { slope: 0, error: 0 };
	const middle = (count - 1) / 2;
	const timeTime = (count * (count * count - 1)) / 12;
	let [slope, level, rest] = [0, median(values), 0];
	for (let round = 0; round < 4; round++) {
		const limit = (round === 0 ? 2 : 1) * CLIPPED_AT * noise;
		const expected = (index: number): number => level + slope * (index - middle);
		const pulled = values.map((value, index) => expected(index) + clip(value - expected(index), limit));
		level = pulled.reduce((sum, value) => sum + value, 0) / count;
		slope = pulled.reduce((sum, value, index) => sum + (index - middle) * value, 0) / timeTime;
		rest = pulled.reduce((sum, value, index) => sum + (value - expected(index)) ** 2, 0) / (count - 2);
	}
	const error = Math.sqrt(rest / timeTime);
	return Math.abs(slope) < TREND_T_MIN * error ? { slope: 0, error: 0 } : { slope: clip(slope, SLOPE_MAX), error };
}

/** The first days count alike, whatever alpha: the level begins as their mean. */
export function smooth(values: readonly number[], alpha: number, noise: number): Smoothed & { readonly loss: number } {
	let level = median(values.slice(0, SEASONED_DAYS));
	let [loss, gain] = [0, 1];
	const errors: number[] = [];
	for (const [index, value] of values.entries()) {
		const error = value - level;
		gain = Math.max(alpha, 1 / (index + 1));
		errors.push(error);
		if (index >= SEASONED_DAYS) loss += Math.min(Math.abs(error), CLIPPED_AT * noise);
		level += gain * clip(error, CLIPPED_AT * noise);
	}
	return { alpha, level, levelError: noise * Math.sqrt(gain), errors, loss };
}
