import type { RunningLane } from "../lanes/lane.ts";
import type { LoadGenerator } from "./load-generator.ts";
import type { WindowRecord } from "./window-record.ts";

/** Bounds of the added p99 for which the highest rate is told, ms. */
export const FRONTIER_BOUNDS_MS = [1, 5, 10, 50, 100] as const;

export type Rung = { readonly ratePerSecond: number; readonly addedP99Ms: number; readonly failed: number; readonly isVoid: boolean };
export type Frontier = { readonly lane: RunningLane["name"]; readonly rungs: readonly Rung[] };

const RATES = { quick: [500, 1_000, 2_000, 4_000, 8_000, 16_000], full: [250, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 12_000, 16_000] } as const;
const WINDOW_MS = { quick: 400, full: 5_000 } as const;
const CONNECTIONS = 512;
const LOOSEST_MS = Math.max(...FRONTIER_BOUNDS_MS);

export type FrontierRun = {
	readonly generator: LoadGenerator;
	readonly direct: RunningLane;
	readonly lane: RunningLane;
	readonly length: "quick" | "full";
	readonly onWindow: (record: WindowRecord) => void;
};

/** Raises the rate, direct and lane side by side at each rung, until two rungs in a row fail a call or add more than the loosest bound. */
export async function runFrontier({ generator, direct, lane, length, onWindow }: FrontierRun): Promise<Frontier> {
	const rungs: Rung[] = [];
	let broken = 0;
	for (const ratePerSecond of RATES[length]) {
		const load = { latencyMs: 0, isStream: false, prompt: 256, connections: CONNECTIONS, ratePerSecond, durationMs: WINDOW_MS[length] } as const;
		const [base, through] = [
			await generator.measure(direct, load, { scenario: "frontier", round: ratePerSecond, part: 0 }),
			await generator.measure(lane, load, { scenario: "frontier", round: ratePerSecond, part: 0 }),
		];
		onWindow(base);
		onWindow(through);
		const addedP99Ms = through.latency.percentileMs(99) - base.latency.percentileMs(99);
		// A gateway that falls behind keeps every connection busy: calls dropped by the lane are its failures, by direct the driver's.
		const failed = through.failed + through.wrong + through.dropped;
		rungs.push({ ratePerSecond, addedP99Ms, failed, isVoid: base.voidBecause.length > 0 });
		broken = failed > 0 || !(addedP99Ms <= LOOSEST_MS) ? broken + 1 : 0;
		if (broken === 2) break;
	}
	return { lane: lane.name, rungs };
}

/** Highest rate of an unbroken rise from the lowest rung within the bound, calls a second; 0 where not even that is. */
export function highestRate(rungs: readonly Rung[], boundMs: number): number {
	const end = rungs.findIndex(({ addedP99Ms, failed }) => failed > 0 || !(addedP99Ms <= boundMs));
	return rungs.slice(0, end < 0 ? rungs.length : end).at(-1)?.ratePerSecond ?? 0;
}
