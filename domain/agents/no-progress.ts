import { AT, type LoopMemory, readWord, writeWord } from "./loop-memory.ts";
import type { LoopThresholds } from "./loop-thresholds.ts";
import type { Reading } from "./reading.ts";
import { isInCycle } from "./repetition.ts";
import { describeCall, type Finding } from "./verdict.ts";

/** What one exchange with something new makes up for. */
const RELIEF = 2;
const REPEATS = 3;
/** A run that repeats so much is stopped even while a cycle is being watched. */
const CYCLE_FACTOR = 5;

/**
 * The stall score: one more with each exchange that brought nothing new, in the same words or in others, two less with each that did,
 * none where the same call brings another answer than before.
 * It finds what no period has: a question asked in ever other words, results that come back in no order.
 */
export function judgeNoProgress(memory: LoopMemory, reading: Reading, { stallWarn, stallStop }: LoopThresholds): readonly Finding[] {
	const { novelty, call, exchange } = reading;
	const before = readWord(memory, AT.stall);
	// Waiting is what some tools are for, and of polls in turn each may stand still.
	const mayRepeat = call.isWaiting || (call.isPolling && novelty === "repeated");
	const isMore = (novelty === "stale" || novelty === "repeated") && !mayRepeat;
	const stall = isMore ? before + 1 : novelty === "progress" ? 0 : novelty === "new" ? Math.max(0, before - RELIEF) : before;
	writeWord(memory, AT.stall, stall);
	// Calls in a row that are the same in every way are repetition, which has its own count.
	if (!isMore || stall < stallWarn || readWord(memory, AT.matches) >= REPEATS) return [];
	const stopAt = isInCycle(memory) ? stallStop * CYCLE_FACTOR : stallStop;
	const isStop = stall >= stopAt;
	const isBetweenAgents = readWord(memory, AT.switchAgo) < RELIEF;
	const told = describeCall(exchange.tool, exchange.argsText);
	const evidence = `${stall} steps more brought nothing new than did; the last, ${told}, was answered as before`;
	return [
		{
			guard: isBetweenAgents ? "loop.ping_pong" : "loop.no_progress",
			severity: isStop ? "stop" : "warn",
			evidence: isBetweenAgents ? `agents hand the same work to each other: ${evidence}` : evidence,
			measured: stall,
			threshold: isStop ? stopAt : stallWarn,
		},
	];
}
