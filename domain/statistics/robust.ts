/** Location, scale and lines that a few wild values do not move. Of an empty list they are NaN. */

/** Linear between order statistics (type 7 of Hyndman and Fan 1996); `share` from 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
	return quantileOfSorted(
		[...values].sort((left, right) => left - right),
		share,
	);
}

/** The same of values in ascending order. */
export function quantileOfSorted(sorted: readonly number[], share: number): number {
	const place = (sorted.length - 1) * share;
	const below = Math.floor(place);
	const low = sorted[below] ?? Number.NaN;
	const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN;
	return low + (high - low) * (place - below);
}

export function median(values: readonly number[]): number {
	return quantile(values, 0.5);
}

export function mean(values: readonly number[]): number {
	return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** 1.4826 x MAD: the standard deviation of a normal distribution with that median absolute deviation. */
export function robustScale(values: readonly number[], center = median(values)): number {
	return 1.4826 * median(values.map((value) => Math.abs(value - center)));
}

/** Noise of one value, from the differences of neighbours: neither level nor trend counts, and a step of the level but once. */
export function noiseOf(values: readonly number[]): number {
	const differences = values.slice(1).map((value, index) => value - (values[index] ?? value));
	return robustScale(differences, 0) / Math.SQRT2;
}

export function clip(value: number, limit: number): number {
	return Math.max(-limit, Math.min(limit, value));
}
