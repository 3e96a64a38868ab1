import { createRandom } from "#test/faults/random.ts";
import type { Checked } from "./check-worlds.ts";
import { missesOfShort } from "./check-worlds.ts";
import { anomalyFiguresOf, anomalyMissesOf, judgeAnomalies } from "./judge-anomalies.ts";
import { figuresOf, type JudgedForecast, judgeForecast, missesOf } from "./judge-forecasts.ts";
import { type JudgedSeries, monthOf } from "./series.ts";

/** A day of the month from which it is forecast. */
const ORIGIN = { earliest: 8, latest: 22 };
const HISTORY_DAYS = 14;
/** A planted level change so many days ago, or in the same month, makes a forecast one after a step. */
const RECENT_DAYS = 56;
const FORECASTS_MAX = 6_000;

type Class = "steady" | "afterChange" | "short";

/**
 * Series of a file: each calendar month that is whole in a series is forecast from one day of it that the seed draws. A month that has a fault planted after
 * that day is left out: nobody could know. With a level change planted less than eight weeks before it counts as after a change, else as steady; series whose
 * names begin with stable, growing, step or short are what they say.
 */
export function checkFile(all: readonly JudgedSeries[], { seed, onProgress }: { readonly seed: number; readonly onProgress: (line: string) => void }): Checked {
	const random = createRandom(seed);
	const drawn = all.flatMap((series) => originsOf(series, () => random.integer(ORIGIN.earliest, ORIGIN.latest)).map((origin) => ({ series, origin })));
	const kept = drawn.length <= FORECASTS_MAX ? drawn : drawn.filter(() => random.share() < FORECASTS_MAX / drawn.length);
	const judged: Record<Class, JudgedForecast[]> = { steady: [], afterChange: [], short: [] };
	for (const { series, origin } of kept) {
		const kind = classOf(series, origin);
		const one = kind === undefined ? undefined : judgeForecast(series, origin);
		if (kind !== undefined && one !== undefined) judged[kind].push(one);
	}
	const forecasts = { steady: figuresOf(judged.steady), afterChange: figuresOf(judged.afterChange), short: figuresOf(judged.short) };
	onProgress(`forecasts: ${JSON.stringify(forecasts)}`);
	const anomalies = anomalyFiguresOf(all.map(judgeAnomalies));
	onProgress(`anomalies: ${JSON.stringify(anomalies)}`);
	const misses = [...missesOf("steady", "steady", forecasts.steady), ...missesOf("afterChange", "step", forecasts.afterChange), ...missesOfShort(judged.short)];
	return { forecasts, anomalies, misses: [...misses, ...anomalyMissesOf(anomalies)] };
}

/** How many days are known, of each whole month that has some before. */
function originsOf({ firstDay, amountsNanoUsd }: JudgedSeries, dayOfMonth: () => number): number[] {
	const origins: number[] = [];
	const end = firstDay + amountsNanoUsd.length;
	for (let month = monthOf(firstDay); month.endsOn <= end; month = monthOf(month.endsOn)) {
		const origin = month.startsOn + dayOfMonth() - firstDay;
		if (origin >= 3) origins.push(origin);
	}
	return origins;
}

function classOf(series: JudgedSeries, origin: number): Class | undefined {
	const { faults, world, firstDay, amountsNanoUsd } = series;
	const monthEnd = monthOf(firstDay + origin - 1).endsOn - firstDay;
	if (faults.some(({ first, last }) => last >= origin && first < monthEnd && (first >= origin || last < monthEnd - 1))) return undefined;
	const begun = amountsNanoUsd.findIndex((amount) => amount > 0n);
	if (begun < 0 || begun >= origin) return undefined;
	if (origin - begun < HISTORY_DAYS) return "short";
	const isAfterChange = faults.some(({ kind, first, last }) => kind !== "spike" && last > first && first < origin && last >= origin - RECENT_DAYS);
	return isAfterChange || world === "step" ? "afterChange" : "steady";
}
