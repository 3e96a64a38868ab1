import { mean, median, robustScale } from "../statistics/robust.ts";

const WEEK = 7;
/** Habits of more than so many weeks ago say little. */
const WEEKS = 10;

/** Days are numbered from 1970-01-01, a Thursday; 0 = Sunday. */
export function weekdayOf(day: number): number {
	return (((day + 4) % WEEK) + WEEK) % WEEK;
}

/**
 * What each weekday is above or below the level of its week, in logarithms: the median over up to ten weeks of the distance to the median of the seven days
 * around it, drawn towards none by as much as chance alone would explain (positive-part James-Stein). Seven zeros with less than two weeks.
 */
export function weekdayShape(logs: readonly number[], firstDay: number): readonly number[] {
	const distances: number[][] = Array.from({ length: WEEK }, () => []);
	for (let index = Math.max(3, logs.length - WEEKS * WEEK); index < logs.length - 3; index++) {
		distances[weekdayOf(firstDay + index)]?.push((logs[index] ?? 0) - median(logs.slice(index - 3, index + 4)));
	}
	if (logs.length < 2 * WEEK || distances.some((ofWeekday) => ofWeekday.length === 0)) return Array<number>(WEEK).fill(0);
	const raw = distances.map((ofWeekday) => median(ofWeekday));
	const center = mean(raw);
	const effects = raw.map((effect) => effect - center);
	const rests = distances.flatMap((ofWeekday, weekday) => ofWeekday.map((distance) => distance - (raw[weekday] ?? 0)));
	const weeks = Math.min(...distances.map((ofWeekday) => ofWeekday.length));
	// With one week of each there is no rest to judge by; the variance of a median is some 1.57 times that of a mean.
	const chance = weeks < 2 ? 0.01 : (1.57 * robustScale(rests, 0) ** 2) / weeks;
	const size = effects.reduce((sum, effect) => sum + effect ** 2, 0);
	const kept = size === 0 ? 0 : Math.max(0, 1 - ((WEEK - 3) * chance) / size);
	return effects.map((effect) => effect * kept);
}
