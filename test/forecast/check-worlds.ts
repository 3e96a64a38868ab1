import { createRandom } from "#test/faults/random.ts";
import { type AnomalyFigures, anomalyFiguresOf, anomalyMissesOf, judgeAnomalies } from "./judge-anomalies.ts";
import { type ForecastFigures, figuresOf, type JudgedForecast, judgeForecast, missesOf } from "./judge-forecasts.ts";
import { type FaultKind, WORLDS, type World } from "./series.ts";
import { drawForecastSeries, drawWatchedSeries } from "./worlds.ts";

export type Checked = {
	readonly forecasts: Readonly<Record<string, ForecastFigures>>;
	readonly anomalies: AnomalyFigures;
	/** In words; none: everything held. */
	readonly misses: readonly string[];
};

const FLAGGED_MIN_PERCENT = 90;
const WATCHED: readonly (FaultKind | undefined)[] = ["spike", "step", "ramp", undefined];

/** So many series of each world, and of each kind of fault a third as many. */
export function checkWorlds({
	seed,
	series,
	onProgress,
}: {
	readonly seed: number;
	readonly series: number;
	readonly onProgress: (line: string) => void;
}): Checked {
	const random = createRandom(seed);
	const nextSeed = (): number => random.integer(0, 0xffff_ffff);
	const forecasts: Partial<Record<World, ForecastFigures>> = {};
	const misses: string[] = [];
	for (const world of WORLDS) {
		const judged = Array.from({ length: series }, () => {
			const drawn = drawForecastSeries(world, nextSeed());
			const one = judgeForecast(drawn, drawn.origin);
			if (one === undefined) throw new Error(`${drawn.name} has no month to forecast`);
			return one;
		});
		const figures = figuresOf(judged);
		forecasts[world] = figures;
		onProgress(`${world}: ${JSON.stringify(figures)}`);
		misses.push(...missesOfWorld(world, judged, figures));
	}
	const anomalies = anomalyFiguresOf(
		WATCHED.flatMap((kind) => Array.from({ length: Math.ceil(series / 3) }, () => judgeAnomalies(drawWatchedSeries(kind, nextSeed())))),
	);
	onProgress(`anomalies: ${JSON.stringify(anomalies)}`);
	return { forecasts, anomalies, misses: [...misses, ...anomalyMissesOf(anomalies)] };
}

function missesOfWorld(world: World, judged: readonly JudgedForecast[], figures: ForecastFigures): string[] {
	if (world === "stable" || world === "growing") return missesOf(world, "steady", figures);
	if (world === "short") return missesOfShort(judged);
	const flagged =
		figures.recentChangePercent < FLAGGED_MIN_PERCENT
			? [`step: ${figures.recentChangePercent} % are flagged "recent change", not ${FLAGGED_MIN_PERCENT} %`]
			: [];
	return [...missesOf(world, "step", figures), ...flagged];
}

export function missesOfShort(judged: readonly JudgedForecast[]): string[] {
	const sure = judged.filter(({ isLowConfidence, isRunRate }) => !isLowConfidence || !isRunRate).length;
	return sure === 0 ? [] : [`short: ${sure} forecasts from less than 14 days are not the run-rate with low confidence`];
}
