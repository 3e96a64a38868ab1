import type { Random } from "../statistics/random.ts";
import { clip, median, noiseOf } from "../statistics/robust.ts";
import { lastChange } from "./change-point.ts";
import { fitLevel, type Level, smooth } from "./level.ts";
import { weekdayOf, weekdayShape } from "./weekday-shape.ts";

/**
 * What a series of days has been doing: its weekdays, and since its last change its level, trend and noise, all in logarithms. From it whole paths of days to
 * come are drawn; sums of days are only ever taken of paths, since the quantiles of days do not add up.
 */
export type DayModel = {
	readonly shape: readonly number[];
	/** Index of the first day of the present level. */
	readonly start: number;
	readonly level: Level;
	/** Added before a logarithm is taken, so that a day without spend has one. */
	readonly offset: number;
	/** What earlier levels left unexplained: while the present one is young, its own days are too few to say how wild they can be. */
	readonly earlierErrors: readonly number[];
	/** The unexplained days hang together. */
	readonly isCorrelated: boolean;
};

const OFFSET_SHARE = 0.01;
const BLOCK_DAYS = 3;
const CORRELATION_MIN = 0.2;
const CLIPPED_AT = 3;
/** Trends grow tired: a share of the slope is left each day. */
const DAMPING = 0.99;
const NOISE_FLOOR = 0.005;
const NOISE_DAYS = 70;
const YOUNG_DAYS = 28;
const EARLIER_DAYS = 49;
const EARLIER_ALPHA = 0.1;

/** `amounts` are one for each day from `firstDay` on, at least one of them above zero. */
export function fitDays(amounts: readonly number[], firstDay: number): DayModel {
	const offset = OFFSET_SHARE * median(amounts.filter((amount) => amount > 0));
	const logs = amounts.map((amount) => Math.log(Math.max(0, amount) + offset));
	const shape = weekdayShape(logs, firstDay);
	const flat = logs.map((log, index) => log - (shape[weekdayOf(firstDay + index)] ?? 0));
	const start = lastChange(flat);
	const noise = Math.max(NOISE_FLOOR, noiseOf(flat.slice(-NOISE_DAYS)));
	const level = fitLevel(flat.slice(start), noise);
	const earlier = flat.length - start >= YOUNG_DAYS ? [] : flat.slice(Math.max(0, start - EARLIER_DAYS), start);
	const earlierErrors = smooth(earlier, EARLIER_ALPHA, noise).errors.slice(BLOCK_DAYS);
	const likeliest = level.candidates.reduce((best, one) => (one.weight > best.weight ? one : best));
	return { shape, start, level, offset, earlierErrors, isCorrelated: correlationOf(likeliest.errors) > CORRELATION_MIN };
}

/** Amounts of so many days from `from` on, as they may come. */
export function drawDays(model: DayModel, { from, days }: { readonly from: number; readonly days: number }, random: Random): readonly number[] {
	const { shape, offset, isCorrelated } = model;
	const { slope: fitted, slopeError, noise } = model.level;
	const { alpha, level: start, levelError, errors: own } = pick(model.level.candidates, random);
	const errors = model.earlierErrors.length === 0 ? own : [...own, ...model.earlierErrors];
	let level = start + levelError * random.normal();
	let slope = fitted === 0 ? 0 : fitted + slopeError * random.normal();
	let place = 0;
	return Array.from({ length: days }, (_, ahead) => {
		place = isCorrelated && ahead % BLOCK_DAYS !== 0 ? (place + 1) % errors.length : Math.floor(random.share() * errors.length);
		const error = errors[place] ?? 0;
		level += slope;
		slope *= DAMPING;
		const amount = Math.exp(level + (shape[weekdayOf(from + ahead)] ?? 0) + error) - offset;
		level += alpha * clip(error, CLIPPED_AT * noise);
		return Math.max(0, amount);
	});
}

function pick(candidates: Level["candidates"], random: Random): Level["candidates"][number] {
	let left = random.share();
	for (const candidate of candidates) {
		left -= candidate.weight;
		if (left < 0) return candidate;
	}
	return candidates[0] as Level["candidates"][number];
}

/** Of each with the one before. */
function correlationOf(errors: readonly number[]): number {
	const center = median(errors);
	let [product, square] = [0, 0];
	for (const [index, error] of errors.entries()) {
		square += (error - center) ** 2;
		if (index > 0) product += (error - center) * ((errors[index - 1] ?? 0) - center);
	}
	return square === 0 ? 0 : product / square;
}
