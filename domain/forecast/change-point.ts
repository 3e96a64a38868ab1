import { clip, median, noiseOf } from "../statistics/robust.ts";

/**
 * Where a series without its weekdays last moved to another level and stayed there: what was before says nothing of the level that comes. A split counts
 * where a line with a step at it fits much better than the line alone (an F statistic of least squares over values that single wild days do not pull), and
 * where the step is large enough to matter.
 */
const SIDE_DAYS = 4;
const WINDOW_DAYS = 120;
const RECENT_WINDOW_DAYS = 50;
/** With the best of a hundred places sought, chance reaches some 12; what is left over is for days that hang together. */
const F_MIN = 15;
/** A level that changes so often in the window wanders: there is no present one to begin at. */
const RESTLESS = 3;
const SMALLEST_LOG = 0.12;
const NOISE_FLOOR = 0.02;

/** Index at which the present level begins; 0: there was no change. */
export function lastChange(values: readonly number[]): number {
	const noise = Math.max(NOISE_FLOOR, noiseOf(values));
	const calm = calmed(values, noise);
	const changes = changesIn(calm, { from: Math.max(0, values.length - WINDOW_DAYS), to: values.length, noise });
	return changes.length >= RESTLESS ? 0 : (changes.at(-1) ?? 0);
}

type Part = { readonly from: number; readonly to: number; readonly noise: number };

/** Ascending. Each part is split at its best place until no place is good enough; of a long part its end is looked at alone, too. */
function changesIn(calm: readonly number[], { from, to, noise }: Part): readonly number[] {
	const recent = Math.max(from, calm.length - RECENT_WINDOW_DAYS);
	const split = bestSplit(calm, { from, to, noise }) ?? (to === calm.length && recent > from ? bestSplit(calm, { from: recent, to, noise }) : undefined);
	if (split === undefined) return [];
	return [...changesIn(calm, { from, to: split, noise }), split, ...changesIn(calm, { from: split, to, noise })];
}

/** Each value at most three noises from the median of the days around it. */
function calmed(values: readonly number[], noise: number): readonly number[] {
	return values.map((value, index) => {
		const around = median(values.slice(Math.max(0, index - 3), index + 4));
		return around + clip(value - around, 3 * noise);
	});
}

/** Of y = a + b t + c [t >= split]; sums are over centred times and values. */
function bestSplit(calm: readonly number[], { from, to, noise }: Part): number | undefined {
	const values = calm.slice(from, to);
	const count = values.length;
	if (count < 2 * SIDE_DAYS) return undefined;
	const middle = (count - 1) / 2;
	const level = values.reduce((sum, value) => sum + value, 0) / count;
	let [timeTime, timeValue, valueValue] = [0, 0, 0];
	for (const [index, value] of values.entries()) {
		timeTime += (index - middle) ** 2;
		timeValue += (index - middle) * (value - level);
		valueValue += (value - level) ** 2;
	}
	const lossOfLine = valueValue - timeValue ** 2 / timeTime;
	let best = { split: 0, f: 0 };
	let [after, afterTime, afterValue] = [0, 0, 0];
	for (let split = count - 1; split >= SIDE_DAYS; split--) {
		after += 1;
		afterTime += split - middle;
		afterValue += (values[split] ?? 0) - level;
		if (after < SIDE_DAYS) continue;
		// The step without what the line explains of it.
		const square = after - after ** 2 / count - afterTime ** 2 / timeTime;
		const product = afterValue - (afterTime * timeValue) / timeTime;
		if (square <= 1e-9) continue;
		const step = product / square;
		const loss = Math.max(lossOfLine - product * step, (count - 3) * (noise / 2) ** 2);
		const f = ((lossOfLine - loss) * (count - 3)) / loss;
		if (f > best.f && Math.abs(step) >= SMALLEST_LOG) best = { split, f };
	}
	return best.f >= F_MIN ? from + best.split : undefined;
}
