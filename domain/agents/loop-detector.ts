import { judgeContextGrowth } from "./context-growth.ts";
import { judgeCostVelocity } from "./cost-velocity.ts";
import { AT, type LoopMemory, readWord, remember, SKETCHES_KEPT, toWord, writeDouble, writeWord } from "./loop-memory.ts";
import { DEFAULT_LOOP_THRESHOLDS, type LoopThresholds } from "./loop-thresholds.ts";
import { judgeNoProgress } from "./no-progress.ts";
import { type Reading, readExchange } from "./reading.ts";
import { judgeRepetition } from "./repetition.ts";
import type { ToolExchange } from "./run-event.ts";
import { SKETCH_SIZE } from "./sketch.ts";
import { type Finding, type GuardName, type GuardVerdict, LOOP_GUARDS } from "./verdict.ts";

const NONE: readonly GuardVerdict[] = [];

/**
 * Takes the next exchange of a run into its memory and says what its guards find: a warning once, when it begins, a stop as long as it
 * holds. Costs some microseconds for a page of text and never more than some tenths of a millisecond, whatever the text.
 */
export function observeExchange(memory: LoopMemory, exchange: ToolExchange, thresholds: LoopThresholds = DEFAULT_LOOP_THRESHOLDS): readonly GuardVerdict[] {
	const reading = readExchange(memory, exchange);
	noteActor(memory, reading, thresholds);
	const findings = [
		...judgeRepetition(memory, reading, thresholds),
		...judgeNoProgress(memory, reading, thresholds),
		...judgeContextGrowth(memory, reading, thresholds),
		...judgeCostVelocity(memory, exchange, thresholds),
	];
	rememberReading(memory, reading);
	return tell(memory, findings, reading.event + 1);
}

/** From the warning of a guard to its stop there are at least so many exchanges (loop-thresholds.ts: a stall is told at 6 and stopped at 9). */
const EXCHANGES_FROM_WARNING = 3;

/** Whether so many exchanges more may stop the run. Where they cannot, they may as well be read after the call was sent. */
export function mayStop(memory: LoopMemory, exchanges: number): boolean {
	return readWord(memory, AT.warned) !== 0 || exchanges > EXCHANGES_FROM_WARNING;
}

function noteActor(memory: LoopMemory, { agent, call, event, exchange }: Reading, { patientPollMs }: LoopThresholds): void {
	const isPatient = call.isPolling && (exchange.sinceLastMs ?? 0) >= patientPollMs;
	const isSwitch = event > 0 && readWord(memory, AT.lastAgent) !== toWord(agent);
	writeWord(memory, AT.switchAgo, isSwitch ? 0 : readWord(memory, AT.switchAgo) + 1);
	writeWord(memory, AT.waitAgo, call.isWaiting || isPatient ? 0 : readWord(memory, AT.waitAgo) + 1);
	writeWord(memory, AT.lastAgent, toWord(agent));
	const isSameTool = readWord(memory, AT.lastTool) === toWord(call.tool);
	writeWord(memory, AT.polls, !call.isPolling ? 0 : isSameTool ? readWord(memory, AT.polls) + 1 : 1);
	writeWord(memory, AT.lastTool, toWord(call.tool));
}

function rememberReading(memory: LoopMemory, { event, pair, outcome, call, resultSketch, wholeSketch }: Reading): void {
	remember(memory, "pairs", { hash: pair, event });
	remember(memory, "calls", { hash: call.looseHash, event });
	remember(memory, "results", { hash: outcome, event });
	remember(memory, "targets", { hash: call.targetHash, event });
	memory.set(resultSketch.words, AT.sketches + (event % SKETCHES_KEPT) * SKETCH_SIZE);
	memory.set(wholeSketch.words, AT.previous);
	writeDouble(memory, AT.events, event + 1);
}

function tell(memory: LoopMemory, findings: readonly Finding[], atEvent: number): readonly GuardVerdict[] {
	const warnedBefore = readWord(memory, AT.warned);
	if (findings.length === 0 && warnedBefore === 0) return NONE;
	const warned = findings.reduce((bits, { guard }) => bits | bitOf(guard), 0);
	writeWord(memory, AT.warned, warned);
	return findings
		.filter(({ guard, severity }) => severity === "stop" || (warnedBefore & bitOf(guard)) === 0)
		.map((finding) => ({ ...finding, atEvent }))
		.sort((left, right) => bitOf(left.guard) - bitOf(right.guard));
}

function bitOf(guard: GuardName): number {
	return 1 << LOOP_GUARDS.indexOf(guard);
}
