import { AT, type LoopMemory, readDouble, readWord, toWord, writeDouble, writeWord } from "./loop-memory.ts";
import type { LoopThresholds } from "./loop-thresholds.ts";
import type { Reading } from "./reading.ts";
import { containment, similarity } from "./sketch.ts";
import { describeCall, type Finding } from "./verdict.ts";

/** A text holds the one before when so much of it comes back. */
const HOLDS = 0.75;
/** Two exchanges have one shape when they share so much. */
const SAME_SHAPE = 0.5;
/** Below this share of steps down, a run's context only ever adds up, as an ordinary conversation's does. */
const DECREASES_SHARE_MIN = 0.2;
const GROWTH_MIN = 1.2;

/**
 * Context that grows with every exchange while nothing new comes of it. Growth alone says nothing, every conversation grows; it counts
 * where each exchange repeats the one before and adds a little (a snowball), or, in a run whose context had gone up and down before,
 * where one exchange after the other differs in numbers only. A poll may grow.
 */
export function judgeContextGrowth(memory: LoopMemory, reading: Reading, thresholds: LoopThresholds): readonly Finding[] {
	const { exchange, event } = reading;
	const { tokens } = exchange;
	const before = readDouble(memory, AT.lastTokens);
	const chars = exchange.argsText.length + (exchange.observation?.length ?? 0);
	const isGrowing = event > 0 && tokens > before && before > 0;
	const shape = isGrowing ? shapeOf(memory, reading, chars) : "other";
	const snowball = shape === "snowball" ? readWord(memory, AT.snowball) + 1 : 0;
	const sameShape = shape === "other" ? 0 : readWord(memory, AT.sameShape) + 1;
	if (sameShape === 1) writeDouble(memory, AT.growthStart, before);
	writeWord(memory, AT.snowball, snowball);
	writeWord(memory, AT.sameShape, sameShape);
	if (tokens < before) writeWord(memory, AT.decreases, readWord(memory, AT.decreases) + 1);
	if (tokens > 0) writeDouble(memory, AT.lastTokens, tokens);
	writeDouble(memory, AT.lastChars, chars);
	writeWord(memory, AT.lastTemplate, templateOf(reading));
	if (sameShape < thresholds.growthWarn) return [];
	const start = readDouble(memory, AT.growthStart);
	if (tokens < start * GROWTH_MIN) return [];
	return judgeStreaks(memory, { snowball, sameShape, start }, { reading, thresholds });
}

type Streaks = { readonly snowball: number; readonly sameShape: number; readonly start: number };

function judgeStreaks(
	memory: LoopMemory,
	{ snowball, sameShape, start }: Streaks,
	{ reading, thresholds }: { readonly reading: Reading; readonly thresholds: LoopThresholds },
): readonly Finding[] {
	const { exchange, event } = reading;
	const addsUp = readWord(memory, AT.decreases) < Math.max(1, DECREASES_SHARE_MIN * (event - sameShape));
	const [measured, stopAt] = snowball >= thresholds.growthWarn || addsUp ? [snowball, thresholds.growthStop] : [sameShape, thresholds.sameShapeGrowthStop];
	if (measured < thresholds.growthWarn) return [];
	const isStop = measured >= stopAt;
	const told = describeCall(exchange.tool, exchange.argsText);
	return [
		{
			guard: "loop.context_growth",
			severity: isStop ? "stop" : "warn",
			evidence: `each of the last ${measured} steps carried more context than the one before, ${start} tokens at first and ${exchange.tokens} now, and added nothing but more of the same; the last was ${told}`,
			measured,
			threshold: isStop ? stopAt : thresholds.growthWarn,
		},
	];
}

function shapeOf(memory: LoopMemory, reading: Reading, chars: number): "snowball" | "same" | "other" {
	const { novelty, call, wholeSketch } = reading;
	// Repeats have counts of their own.
	if (novelty === "repeated" || call.isPolling || call.isWaiting) return "other";
	if (novelty === "stale") return "snowball";
	const previous = { words: memory, at: AT.previous };
	if (chars > readDouble(memory, AT.lastChars) && containment(wholeSketch, previous) >= HOLDS) return "snowball";
	const isSame = readWord(memory, AT.lastTemplate) === templateOf(reading) || similarity(wholeSketch, previous) >= SAME_SHAPE;
	return isSame ? "same" : "other";
}

function templateOf({ call, result }: Reading): number {
	return toWord(call.templateHash ^ result.templateHash);
}
