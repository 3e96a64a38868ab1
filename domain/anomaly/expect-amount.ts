import { weekdayOf, weekdayShape } from "../forecast/weekday-shape.ts";
import { clip, median, robustScale } from "../statistics/robust.ts";

/**
 * What a day of a series is expected to cost, from the days before it: the line through up to eight weeks of them without their weekdays. All in logarithms of
 * amounts, to which a hundredth of a usual day is added, so that a day without spend has one.
 */
export type DayExpectation = {
	/** How many scales the day is above what was expected; negative: below. */
	readonly z: number;
	/** In the unit of the amounts. */
	readonly expected: number;
	/** A usual day of this series: the middle of those with spend. */
	readonly usual: number;
	readonly scale: number;
};

export type Baseline = {
	readonly firstDay: number;
	/** The day that is judged. */
	readonly index: number;
	/** Days before it do not count. */
	readonly start: number;
	/** Days that are known to be unusual. */
	readonly left: ReadonlySet<number>;
	/** Of the time before the start: a young level is believed no calmer. */
	readonly scaleMin: number;
};

const BASELINE_DAYS = 56;
const BASELINE_DAYS_MIN = 5;
const LINE_DAYS_MIN = 14;
const WEEK = 7;
const SHAPE_DAYS = 77;
const OFFSET_SHARE = 0.01;
const SCALE_FACTOR = 1.15;
const CLIPPED_AT = 3;
const FITTED = 9;
const SCALE_FLOOR = 0.05;
/** A weekday of a scale of its own, like Saturdays that cost nothing or a little. */
const WILD_WEEKDAY = 2;
const WILD_WEEKDAY_DAYS = 4;
/** A day; what is steeper is no habit. */
const SLOPE_MAX = 0.01;

/** null where too little is known. */
export function expectAmount(amounts: readonly number[], { firstDay, index, start, left, scaleMin }: Baseline): DayExpectation | null {
	const places: number[] = [];
	for (let place = Math.max(start, index - BASELINE_DAYS); place < index; place++) if (!left.has(place)) places.push(place);
	const from = Math.max(0, index - SHAPE_DAYS);
	const known = amounts.slice(from, index + 1);
	const positive = known.slice(0, -1).filter((amount) => amount > 0);
	if (places.length < BASELINE_DAYS_MIN || positive.length === 0) return null;
	const usual = median(positive);
	const offset = OFFSET_SHARE * usual;
	const logs = known.map((amount) => Math.log(Math.max(0, amount) + offset));
	const shape = weekdayShape(logs.slice(0, -1), firstDay + from);
	const effect = (place: number): number => shape[weekdayOf(firstDay + place)] ?? 0;
	const flat = (place: number): number => (logs[place - from] ?? 0) - effect(place);
	const { level, slope } = lineThrough(places.map((place) => ({ at: place, value: flat(place) })));
	const rest = (place: number): number => flat(place) - level - slope * place;
	const ofWeekday = places.filter((place) => (index - place) % WEEK === 0).map((place) => Math.abs(rest(place)));
	const scale = Math.max(SCALE_FLOOR, SCALE_FACTOR * scaleOf(places.map(rest)), places.length < 2 * LINE_DAYS_MIN ? scaleMin : 0);
	const wild = ofWeekday.length < WILD_WEEKDAY_DAYS ? 0 : SCALE_FACTOR * 1.4826 * median(ofWeekday);
	return {
		z: rest(index) / (wild > WILD_WEEKDAY * scale ? wild : scale),
		expected: Math.max(0, Math.exp(level + slope * index + effect(index)) - offset),
		usual,
		scale,
	};
}

/** Standard deviation of rests, wild ones pulled in, and of as many freely chosen: line and weekdays were fitted to the same days. */
function scaleOf(rests: readonly number[]): number {
	const limit = CLIPPED_AT * robustScale(rests, 0);
	const squares = rests.reduce((sum, rest) => sum + clip(rest, limit) ** 2, 0);
	return Math.sqrt(squares / Math.max(rests.length / 3, rests.length - FITTED));
}

/** Through the medians of the first and the last third (Tukey's resistant line); a level where there are few points. */
function lineThrough(points: readonly { readonly at: number; readonly value: number }[]): { readonly level: number; readonly slope: number } {
	if (points.length < LINE_DAYS_MIN) return { level: median(points.map(({ value }) => value)), slope: 0 };
	const third = Math.floor(points.length / 3);
	const [first, last] = [points.slice(0, third), points.slice(-third)];
	const middle = (part: typeof first, of: "at" | "value"): number => median(part.map((point) => point[of]));
	const width = middle(last, "at") - middle(first, "at");
	const slope = width <= 0 ? 0 : clip((middle(last, "value") - middle(first, "value")) / width, SLOPE_MAX);
	return { slope, level: median(points.map(({ at, value }) => value - slope * at)) };
}
