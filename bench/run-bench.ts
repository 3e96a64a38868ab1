import path from "node:path";
import type { BenchSystem } from "./bench-system.ts";
import { requireCore } from "./bench-system.ts";
import { BARS, exitCodeOf, judgeBar } from "./judge/bars.ts";
import { Figures } from "./judge/figures.ts";
import { judgeLane, type LaneVerdict } from "./judge/lane-verdict.ts";
import { LANE_NAMES, type LaneName, type LaneStart, type RunningLane } from "./lanes/lane.ts";
import { startLane } from "./lanes/start-lanes.ts";
import { GATEWAY_CORE } from "./machine/processes.ts";
import { runMeasurements } from "./measurements/all.ts";
import { profileHotPath } from "./measurements/hot-path.ts";
import { describeRun } from "./output/report.ts";
import { describeSides } from "./output/side-report.ts";
import { fileNameOf, publishResults, writeResults } from "./output/write-results.ts";
import { callLogOf } from "./provider/messages.ts";
import type { LoadGenerator } from "./rounds/load-generator.ts";
import { type ConcurrentStreams, runConcurrentStreams } from "./rounds/run-concurrent-streams.ts";
import { type Frontier, runFrontier } from "./rounds/run-frontier.ts";
import { type Rounds, runRound, warmUp } from "./rounds/run-rounds.ts";
import type { WindowRecord } from "./rounds/window-record.ts";
import { FULL, QUICK, SCENARIOS, type ScenarioName } from "./scenarios.ts";
import { createRandom } from "./statistics/random.ts";

export type BenchOptions = {
	readonly isQuick: boolean;
	readonly isCheck: boolean;
	readonly only: readonly LaneName[] | undefined;
	/** The windows of these alone. */
	readonly scenarios: readonly ScenarioName[] | undefined;
	readonly isProfiled: boolean;
	/** Cores do not sleep between calls that come at fixed times. */
	readonly isAwake: boolean;
	/** The plots and the table also go to docs/bench, which the README shows. */
	readonly isPublished: boolean;
	readonly seed: number;
	readonly resultsFolder: string;
};

const PUBLISHED = path.join(import.meta.dirname, "../docs/bench");

/** Lanes whose frontier and concurrent streams are told. */
const COMPARED: readonly LaneName[] = ["floor", "governed", "portkey"];

/** Measures, prints, writes the results; resolves with the exit code. */
export async function runBench(system: BenchSystem, options: BenchOptions): Promise<number> {
	const startedAt = new Date().toISOString();
	const pace = options.isQuick ? QUICK : FULL;
	const say = (line: string): void => void process.stderr.write(`${line}\n`);
	const starts = await startLanes(system, say);
	const lanes = starts.flatMap((start) => (start.kind === "served" ? [start.lane] : []));
	const records: WindowRecord[] = [];
	const scenarios = SCENARIOS.filter(({ name }) => options.scenarios?.includes(name) ?? true);
	const isWhole = scenarios.length === SCENARIOS.length;
	const rounds: Rounds = { generator: system.generator, lanes, scenarios, pace, random: createRandom(options.seed), onWindow: tellWindow(say) };
	say("warming up");
	await warmUp({ ...rounds, warmUpMs: pace.warmUpMs });
	await runPass(rounds, records);
	const frontiers = isWhole ? await measureFrontiers(rounds, records) : [];
	const concurrentStreams = isWhole ? await measureConcurrentStreams(rounds, records) : [];
	const measured = options.only === undefined && isWhole ? await runMeasurements(system, options.isQuick, say) : {};
	const steadyMegabytes = Object.values(measured).flatMap((one) => one.steadyMegabytes ?? []);
	let judged = await judge(system, { lanes, records, steadyMegabytes, seed: options.seed });
	if (options.isCheck && judged.exitCode === 2) {
		say("a bar is unclear: measuring once more");
		await runPass(rounds, records);
		judged = await judge(system, { lanes, records, steadyMegabytes, seed: options.seed });
	}
	if (options.isProfiled || judged.hasMissedBar)
		measured["hot path"] = await profileHotPath(system, path.join(options.resultsFolder, `${fileNameOf(startedAt)}.cpuprofile`));
	const input = {
		...judged,
		scenarios,
		records,
		starts,
		frontiers,
		concurrentStreams,
		measurements: Object.fromEntries(Object.entries(measured).map(([name, { data }]) => [name, data])),
	};
	const printed = `${[...describeRun(input), ...describeSides(input), ...Object.values(measured).flatMap(({ lines }) => [...lines, ""])].join("\n")}\n`;
	process.stdout.write(printed);
	const results = { ...input, startedAt, isQuick: options.isQuick, isAwake: options.isAwake, seed: options.seed };
	const file = writeResults(options.resultsFolder, results);
	if (options.isPublished) publishResults(PUBLISHED, results, printed);
	process.stdout.write(`results: ${file}\n`);
	return options.isCheck ? judged.exitCode : 0;
}

async function startLanes({ context, generator }: BenchSystem, say: (line: string) => void): Promise<LaneStart[]> {
	const starts: LaneStart[] = [];
	for (const name of LANE_NAMES.filter((lane) => generator.providerPorts[lane] !== undefined)) {
		const start = await probed(await startLane(name, context), generator);
		say(
			start.kind === "served"
				? start.lane.noStreams === undefined
					? `${name} runs`
					: `${name} runs, without streams: ${start.lane.noStreams.split("\n")[0]}`
				: `${name} is not served: ${start.reason.split("\n")[0]}`,
		);
		starts.push(start);
	}
	return starts;
}

/** A peer that does not answer as the provider did is not served; a lane of ours that does not is an error. */
async function probed(start: LaneStart, generator: LoadGenerator): Promise<LaneStart> {
	if (start.kind === "not_served") return start;
	const { lane } = start;
	if (lane.pid !== undefined) requireCore([lane.pid], GATEWAY_CORE);
	const whole = await problemOf(lane, generator.probe(lane, false));
	if (whole !== undefined) return { kind: "not_served", name: lane.name, reason: whole };
	const noStreams = await problemOf(lane, generator.probe(lane, true));
	return noStreams === undefined ? start : { kind: "served", lane: { ...lane, noStreams } };
}

async function problemOf({ kind }: RunningLane, probe: Promise<void>): Promise<string | undefined> {
	try {
		await probe;
		return undefined;
	} catch (error) {
		if (kind !== "peer") throw error;
		return error instanceof Error ? error.message : String(error);
	}
}

/** As many rounds as the pace asks for; numbers go on from those of an earlier pass. */
async function runPass(rounds: Rounds, records: WindowRecord[]): Promise<void> {
	const first = Math.max(0, ...records.filter(({ scenario }) => scenario !== "frontier" && scenario !== "concurrent-streams").map(({ round }) => round)) + 1;
	for (let round = first; round < first + rounds.pace.rounds; round += 1) records.push(...(await runRound(rounds, round)));
}

async function measureFrontiers({ generator, lanes, pace, onWindow }: Rounds, records: WindowRecord[]): Promise<Frontier[]> {
	const direct = lanes.find(({ name }) => name === "direct");
	const frontiers: Frontier[] = [];
	const keep = keepAlso(onWindow, records);
	for (const lane of compared(lanes))
		if (direct) frontiers.push(await runFrontier({ generator, direct, lane, length: pace.isQuick ? "quick" : "full", onWindow: keep }));
	return frontiers;
}

async function measureConcurrentStreams({ generator, lanes, pace, onWindow }: Rounds, records: WindowRecord[]): Promise<ConcurrentStreams[]> {
	const reached: ConcurrentStreams[] = [];
	const counts = pace.isQuick ? [64, 256] : [64, 256, 512, 1_024, 2_048];
	const keep = keepAlso(onWindow, records);
	for (const lane of compared(lanes).filter(({ noStreams }) => noStreams === undefined))
		reached.push(...(await runConcurrentStreams({ generator, lane, counts, onWindow: keep })));
	return reached;
}

function compared(lanes: readonly RunningLane[]): RunningLane[] {
	return lanes.filter(({ name }) => COMPARED.includes(name));
}

function keepAlso(onWindow: (record: WindowRecord) => void, records: WindowRecord[]): (record: WindowRecord) => void {
	return (record) => {
		records.push(record);
		onWindow(record);
	};
}

type Judged = {
	readonly verdicts: ReadonlyMap<LaneName, LaneVerdict>;
	readonly figures: Figures;
	readonly hasMissedBar: boolean;
	readonly exitCode: 0 | 1 | 2;
};

type JudgeInput = {
	readonly lanes: readonly RunningLane[];
	readonly records: readonly WindowRecord[];
	readonly steadyMegabytes: readonly number[];
	readonly seed: number;
};

/** The books of every lane, then figures of the good ones, then the bars. */
async function judge({ generator, callLogFolder }: BenchSystem, { lanes, records, steadyMegabytes, seed }: JudgeInput): Promise<Judged> {
	const verdicts = new Map<LaneName, LaneVerdict>();
	for (const lane of lanes) verdicts.set(lane.name, await judgeLane(lane, generator.tally(lane), callLogOf(callLogFolder, lane.name)));
	const isVoid = (name: LaneName): boolean => (verdicts.get(name)?.voidBecause.length ?? 0) > 0;
	const figures = new Figures(
		records.filter(({ lane }) => !isVoid(lane)),
		createRandom(seed),
		steadyMegabytes,
	);
	const hasVoidLane = lanes.some(({ name, kind }) => kind !== "peer" && isVoid(name));
	const bars = BARS.map((bar) => judgeBar(bar, figures).verdict);
	return { verdicts, figures, hasMissedBar: bars.includes("missed"), exitCode: exitCodeOf(bars, hasVoidLane) };
}

function tellWindow(say: (line: string) => void): (record: WindowRecord) => void {
	return ({ scenario, lane, round, right, latency, voidBecause }) => {
		const state = voidBecause.length > 0 ? `  VOID: ${voidBecause.join("; ")}` : "";
		say(`${scenario} ${lane} ${round}: ${right} calls, p50 ${latency.percentileMs(50).toFixed(3)} ms, p99 ${latency.percentileMs(99).toFixed(3)} ms${state}`);
	};
}
