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

/** Warm-up of every lane: by time, and by at least 500 calls. */
export async function warmUp({ generator, lanes, pace }: Pick<Rounds, "generator" | "lanes" | "pace">): Promise<void> {
	const load = { latencyMs: 0, isStream: false, prompt: 256, connections: 16, ratePerSecond: undefined, durationMs: pace.warmUpMs } as const;
	for (const lane of lanes) while (generator.tally(lane).sent < WARM_UP_CALLS) await generator.run(lane, load);
}

/**
 * One round: every scenario through every lane of it, in an order drawn anew, the lanes of a scenario one right after the other, so
 * that what is subtracted was measured within seconds. A void window is run once more at the end of its scenario, as long as the round has retries left; both are kept.
 */
export async function runRound(rounds: Rounds, round: number): Promise<WindowRecord[]> {
	const records: WindowRecord[] = [];
	let retriesLeft = rounds.pace.retriesPerRound;
	for (const scenario of shuffle(rounds.scenarios, rounds.random)) {
		const lanes = rounds.lanes.filter(({ name, noStreams }) => scenario.lanes.includes(name) && !(scenario.isStream && noStreams !== undefined));
		const again: RunningLane[] = [];
		for (const lane of shuffle(lanes, rounds.random)) {
			const record = await runOne(rounds, { scenario, lane, round });
			records.push(record);
			if (record.voidBecause.length > 0) again.push(lane);
		}
		for (const lane of again.slice(0, retriesLeft)) records.push(await runOne(rounds, { scenario, lane, round }));
		retriesLeft = Math.max(0, retriesLeft - again.length);
	}
	return records;
}

async function runOne({ generator, pace, onWindow }: Rounds, what: { scenario: Scenario; lane: RunningLane; round: number }): Promise<WindowRecord> {
	const { scenario, lane, round } = what;
	const leadInMs = pace.isQuick ? scenario.leadIn?.quickMs : scenario.leadIn?.fullMs;
	if (leadInMs !== undefined) await generator.run(lane, { ...loadOf(scenario, pace), connections: 1, ratePerSecond: undefined, durationMs: leadInMs });
	const record = await generator.measure(lane, loadOf(scenario, pace), { scenario: scenario.name, round });
	onWindow(record);
	return record;
}

export function loadOf({ latencyMs, isStream, prompt, connections, ratePerSecond, quickMs, fullMs }: Scenario, pace: Pace): Load {
	return { latencyMs, isStream, prompt, connections, ratePerSecond, durationMs: pace.isQuick ? quickMs : fullMs };
}
