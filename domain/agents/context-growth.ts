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
/** What call and result account for: their characters in tokens, half as much again for what the model says beside them, and a little. */
const TOKENS_PER_CHAR = 1.5 / 4;
const TOKENS_BESIDE = 32;
/** Over a streak, context has grown by a fifth at least, and so has what one step adds where steps are said to add ever more. */
const RISE_MIN = 1.2;
/** Rounding makes steps of one ratio uneven by a token. */
const UNEVEN_TOKENS = 1;

/**
 * Context that grows with every exchange while nothing new comes of it. Growth alone says nothing, every conversation grows; it counts where
 * each exchange repeats the one before and adds a little (a snowball); where each adds more than the one before had added, which no
 * conversation does for long; and, in a run whose context had gone up and down before, where one exchange after the other differs in
 * numbers only and carries more than they account for.
 */
export function judgeContextGrowth(memory: LoopMemory, reading: Reading, thresholds: LoopThresholds): readonly Finding[] {
	const { exchange, event } = reading;
	const { tokens } = exchange;
	// Of a step with several calls one exchange carries its tokens; the others say nothing of context.
	if (!(tokens > 0)) return [];
	const before = readDouble(memory, AT.lastTokens);
	const growth = event > 0 && before > 0 && tokens > before ? tokens - before : 0;
	const chars = exchange.argsText.length + (exchange.observation?.length ?? 0);
	noteShape(memory, reading, { growth, chars });
	noteAcceleration(memory, growth);
	if (tokens < before) writeWord(memory, AT.decreases, readWord(memory, AT.decreases) + 1);
	writeDouble(memory, AT.lastTokens, tokens);
	writeDouble(memory, AT.lastChars, chars);
	writeWord(memory, AT.lastTemplate, templateOf(reading));
	const found =
		growth === 0 ? undefined : (judgeSnowball(memory, thresholds) ?? judgeAcceleration(memory, thresholds) ?? judgeSameShape(memory, event, thresholds));
	if (found === undefined) return [];
	const { measured, stopAt, what } = found;
	const isStop = measured >= stopAt;
	return [
		{
			guard: "loop.context_growth",
			severity: isStop ? "stop" : "warn",
			evidence: `each of the last ${measured} steps carried more context than the one before, ${tokens} tokens by now, ${what}; the last was ${describeCall(exchange.tool, exchange.argsText)}`,
			measured,
			threshold: isStop ? stopAt : thresholds.growthWarn,
		},
	];
}

type Streak = { readonly measured: number; readonly stopAt: number; readonly what: string };

function judgeSnowball(memory: LoopMemory, { growthWarn, growthStop }: LoopThresholds): Streak | undefined {
	const measured = readWord(memory, AT.snowball);
	return measured < growthWarn || !hasRisen(memory) ? undefined : { measured, stopAt: growthStop, what: "and all of that one again" };
}

function judgeAcceleration(memory: LoopMemory, { growthWarn, accelerationStop }: LoopThresholds): Streak | undefined {
	const measured = readWord(memory, AT.accelerating);
	const [first, last] = [readDouble(memory, AT.firstGrowth), readDouble(memory, AT.lastGrowth)];
	if (measured < growthWarn || last < first * RISE_MIN) return undefined;
	return { measured, stopAt: accelerationStop, what: `and added more than that one had added, ${first} tokens at first and ${last} at last` };
}

function judgeSameShape(memory: LoopMemory, event: number, { growthWarn, sameShapeGrowthStop }: LoopThresholds): Streak | undefined {
	const measured = readWord(memory, AT.sameShape);
	const addsUp = readWord(memory, AT.decreases) < Math.max(1, DECREASES_SHARE_MIN * (event - measured));
	if (measured < growthWarn || addsUp || !hasRisen(memory)) return undefined;
	return { measured, stopAt: sameShapeGrowthStop, what: "and differed from it in numbers only" };
}

function hasRisen(memory: LoopMemory): boolean {
	return readDouble(memory, AT.lastTokens) >= readDouble(memory, AT.growthStart) * RISE_MIN;
}

function noteAcceleration(memory: LoopMemory, growth: number): void {
	const lastGrowth = readDouble(memory, AT.lastGrowth);
	const goesOn = lastGrowth > 0 && growth > 0 && growth >= lastGrowth - UNEVEN_TOKENS;
	const streak = goesOn ? readWord(memory, AT.accelerating) + 1 : 0;
	writeWord(memory, AT.accelerating, streak);
	if (streak <= 1) writeDouble(memory, AT.firstGrowth, streak === 0 ? growth : lastGrowth);
	writeDouble(memory, AT.lastGrowth, growth);
}

function noteShape(memory: LoopMemory, reading: Reading, { growth, chars }: { readonly growth: number; readonly chars: number }): void {
	const shape = growth > 0 ? shapeOf(memory, reading, { growth, chars }) : "other";
	const sameShape = shape === "other" ? 0 : readWord(memory, AT.sameShape) + 1;
	if (sameShape === 1) writeDouble(memory, AT.growthStart, readDouble(memory, AT.lastTokens));
	const snowball = readWord(memory, AT.snowball);
	// Likeness is estimated: one step that seems to be of another kind takes one back, and does not begin anew.
	writeWord(memory, AT.snowball, growth === 0 ? 0 : shape === "snowball" ? snowball + 1 : snowball - 1);
	writeWord(memory, AT.sameShape, sameShape);
}

function shapeOf(memory: LoopMemory, reading: Reading, { growth, chars }: { readonly growth: number; readonly chars: number }): "snowball" | "same" | "other" {
	const { novelty, call, wholeSketch } = reading;
	// Repeats have counts of their own, and a poll may grow.
	if (novelty === "repeated" || call.isPolling || call.isWaiting) return "other";
	if (novelty === "stale") return "snowball";
	const previous = { words: memory, at: AT.previous };
	if (chars > readDouble(memory, AT.lastChars) && containment(wholeSketch, previous) >= HOLDS) return "snowball";
	if (growth <= chars * TOKENS_PER_CHAR + TOKENS_BESIDE) return "other";
	const isSame = readWord(memory, AT.lastTemplate) === templateOf(reading) || similarity(wholeSketch, previous) >= SAME_SHAPE;
	return isSame ? "same" : "other";
}

function templateOf({ call, result }: Reading): number {
	return toWord(call.templateHash ^ result.templateHash);
}
