import type { Random } from "./random.ts";

/** What rounds say of one figure: their median with a 95 % interval. NaN everywhere without a round. */
export type Estimate = {
	readonly median: number;
	readonly low: number;
	readonly high: number;
	/** Rounds behind it. */
	readonly rounds: number;
};

const RESAMPLES = 2_000;
const TAIL = 0.025;

/** Linear between the two middle values. NaN for nothing. */
export function median(values: readonly number[]): number {
	return quantile([...values].sort(ascending), 0.5);
}

/**
 * Median over rounds with a bootstrap interval: rounds are drawn with replacement, the median taken, 2,000 times; the middle
 * 95 % of those medians is the interval. With fewer than three rounds there is nothing to draw from and the interval is boundless.
 */
export function estimate(values: readonly number[], random: Random): Estimate {
	return estimateFrom(values, median, random);
}

/** The same for any figure of whole rounds, like a ratio of two medians that were measured in the same rounds. */
export function estimateFrom<Round>(rounds: readonly Round[], figureOf: (rounds: readonly Round[]) => number, random: Random): Estimate {
	const middle = figureOf(rounds);
	if (rounds.length === 0) return { median: Number.NaN, low: Number.NaN, high: Number.NaN, rounds: 0 };
	if (rounds.length < 3) return { median: middle, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, rounds: rounds.length };
	const drawn = Array.from({ length: RESAMPLES }, () => figureOf(rounds.map(() => rounds[Math.floor(random() * rounds.length)] as Round)));
	drawn.sort(ascending);
	return { median: middle, low: quantile(drawn, TAIL), high: quantile(drawn, 1 - TAIL), rounds: rounds.length };
}

/** A ratio can be infinite, and infinity less infinity is no order. */
function ascending(left: number, right: number): number {
	return left === right ? 0 : left - right;
}

function quantile(sorted: readonly number[], share: number): number {
	const place = share * (sorted.length - 1);
	const below = sorted[Math.floor(place)] ?? Number.NaN;
	const above = sorted[Math.ceil(place)] ?? Number.NaN;
	return below === above ? below : below + (above - below) * (place - Math.floor(place));
}
