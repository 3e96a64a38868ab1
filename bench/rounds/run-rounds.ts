import type { RunningLane } from "../lanes/lane.ts";
import type { Pace, Scenario } from "../scenarios.ts";
import { type Random, shuffle } from "../statistics/random.ts";
import type { Load, LoadGenerator } from "./load-generator.ts";
import type { WindowRecord } from "./window-record.ts";

export type Rounds = {
	readonly generator: LoadGenerator;
	readonly lanes: readonly RunningLane[];
	readonly scenarios: readonly Scenario[];
	readonly pace: Pace;
	readonly random: Random;
	/** Told of each window as it ends. */
	readonly onWindow: (record: WindowRecord) => void;
};

const WARM_UP_CALLS = 500;

/**
 * What is sent in each part of a warm-up, whose connections end with it: what a runtime takes for constant changes with the first connection that ends, and
 * code that was made for it is gone. Until all of that is made again a call takes a third more CPU, in the floor as in a gateway.
 */
const WARM_UP_PARTS = [256, "step", 256, "step"] as const;

type WarmUp = { readonly generator: Pick<LoadGenerator, "run" | "tally">; readonly lanes: readonly RunningLane<string>[]; readonly warmUpMs: number };

/** Warm-up of every lane: by time, and by at least 500 calls. */
export async function warmUp({ generator, lanes, warmUpMs }: WarmUp): Promise<void> {
	const durationMs = warmUpMs / WARM_UP_PARTS.length;
	const load = { latencyMs: 0, isStream: false, connections: 16, ratePerSecond: undefined, durationMs } as const;
	for (const prompt of WARM_UP_PARTS) for (const lane of lanes) await generator.run(lane, { ...load, prompt });
	for (const lane of lanes) while (generator.tally(lane).sent < WARM_UP_CALLS) await generator.run(lane, { ...load, prompt: 256 });
}

/**
 * One round: every scenario through every lane of it, in an order drawn anew. A window is measured in parts, and in each part the lanes come one right after
 * the other, in an order of its own, so that what is subtracted was measured within seconds. Lanes that were void are run again at its end until they are not, as
 * long as the round has retries left; all are kept.
 */
export async function runRound(rounds: Rounds, round: number): Promise<WindowRecord[]> {
	const records: WindowRecord[] = [];
	let retriesLeft = Math.round(rounds.pace.retriesPerWindow * windowsOf(rounds));
	for (const scenario of shuffle(rounds.scenarios, rounds.random)) {
		for (let part = 0; part < partsOf(scenario, rounds.pace); part += 1) {
			let due = shuffle(lanesOf(scenario, rounds), rounds.random);
			while (due.length > 0) {
				const again: RunningLane[] = [];
				for (const lane of due) {
					const record = await runPart(rounds, { scenario, lane, round, part });
					records.push(record);
					if (record.voidBecause.length > 0) again.push(lane);
				}
				due = again.slice(0, retriesLeft);
				retriesLeft -= due.length;
			}
		}
	}
	return records;
}

function lanesOf(scenario: Scenario, { lanes }: Pick<Rounds, "lanes">): RunningLane[] {
	return lanes.filter(({ name, noStreams }) => scenario.lanes.includes(name) && !(scenario.isStream && noStreams !== undefined));
}

/** Of a round, its parts counted by themselves, without any that is run again. */
function windowsOf(rounds: Rounds): number {
	return rounds.scenarios.reduce((sum, scenario) => sum + lanesOf(scenario, rounds).length * partsOf(scenario, rounds.pace), 0);
}

type Part = { readonly scenario: Scenario; readonly lane: RunningLane; readonly round: number; readonly part: number };

async function runPart({ generator, pace, onWindow }: Rounds, { scenario, lane, round, part }: Part): Promise<WindowRecord> {
	const load = loadOf(scenario, pace);
	const leadIn = leadInOf(scenario, load, pace);
	if (leadIn !== undefined) await generator.run(lane, leadIn);
	const record = await generator.measure(lane, load, { scenario: scenario.name, round, part });
	onWindow(record);
	return record;
}

function leadInOf({ leadIn }: Scenario, load: Load, { isQuick }: Pace): Load | undefined {
	const durationMs = (isQuick ? leadIn?.quickMs : leadIn?.fullMs) ?? 0;
	if (durationMs === 0) return undefined;
	return leadIn?.pace === "paced" ? { ...load, durationMs } : { ...load, connections: 1, ratePerSecond: undefined, durationMs };
}

function partsOf({ fullParts = 1 }: Scenario, { isQuick }: Pace): number {
	return isQuick ? 1 : fullParts;
}

/** Of one part. */
export function loadOf(scenario: Scenario, pace: Pace): Load {
	const { latencyMs, isStream, prompt, connections, ratePerSecond, quickMs, fullMs } = scenario;
	return { latencyMs, isStream, prompt, connections, ratePerSecond, durationMs: (pace.isQuick ? quickMs : fullMs) / partsOf(scenario, pace) };
}
