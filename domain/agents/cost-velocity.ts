import { AT, type LoopMemory, readWord, writeWord } from "./loop-memory.ts";
import type { LoopThresholds } from "./loop-thresholds.ts";
import type { ToolExchange } from "./run-event.ts";
import type { Finding } from "./verdict.ts";

/** Logarithms are kept in so many parts of a doubling. */
const PARTS = 512;
/** How much of the usual cost one exchange is, once there are enough; and of the recent one. */
const USUAL_EXCHANGES = 32;
const RECENT_EXCHANGES = 4;
/** Makes the mean absolute deviation of a normal distribution its standard deviation. */
const TO_SIGMA = 1.2533;
/** Exchanges are never more alike than within a quarter. */
const SPREAD_MIN = Math.log2(1.25) * PARTS;
/** One dear exchange must not become the measure: it moves what is usual by so many deviations at most. */
const STEP_MAX = 2;

/**
 * Whether what exchanges cost has left the run's own history. In logarithms, because costs are spread over magnitudes. Never more than a
 * warning: a long input is no loop, and a ceiling on money stops whatever costs too much.
 */
export function judgeCostVelocity(memory: LoopMemory, { costNanoUsd }: ToolExchange, thresholds: LoopThresholds): readonly Finding[] {
	if (costNanoUsd <= 0n) return [];
	const cost = Math.log2(Number(costNanoUsd)) * PARTS;
	const count = readWord(memory, AT.costs);
	const usual = count === 0 ? cost : readWord(memory, AT.usualCost);
	const spread = readWord(memory, AT.usualSpread);
	const recent = count === 0 ? cost : readWord(memory, AT.recentCost);
	const nextRecent = recent + (cost - recent) / Math.min(count + 1, RECENT_EXCHANGES);
	const deviation = cost - usual;
	const most = STEP_MAX * Math.max(spread, SPREAD_MIN);
	const bounded = count < thresholds.costHistory ? deviation : Math.min(Math.max(deviation, -most), most);
	const weight = Math.min(count + 1, USUAL_EXCHANGES);
	writeWord(memory, AT.costs, count + 1);
	writeWord(memory, AT.usualCost, Math.round(usual + bounded / weight));
	writeWord(memory, AT.usualSpread, Math.round(spread + (Math.abs(bounded) - spread) / weight));
	writeWord(memory, AT.recentCost, Math.round(nextRecent));
	const above = nextRecent - usual;
	const sigma = Math.max(spread * TO_SIGMA, SPREAD_MIN);
	if (count < thresholds.costHistory || above < Math.log2(thresholds.costFactor) * PARTS || above < thresholds.costSigmas * sigma) return [];
	const times = 2 ** (above / PARTS);
	return [
		{
			guard: "loop.cost_velocity",
			severity: "warn",
			evidence: `the last steps cost about ${times.toFixed(1)} times what the ${count} before them did`,
			measured: Math.round(times * 10) / 10,
			threshold: thresholds.costFactor,
		},
	];
}
