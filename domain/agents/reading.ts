import { AT, type LoopMemory, readDouble, remembers, SKETCHES_KEPT } from "./loop-memory.ts";
import { type CallReading, readCall } from "./read-call.ts";
import { type ResultReading, readResult } from "./read-result.ts";
import type { ToolExchange } from "./run-event.ts";
import { SKETCH_SIZE, Sketch, similarity } from "./sketch.ts";
import { hashToken, mixHash } from "./token-scanner.ts";

/** One exchange as every detector sees it; valid until the next is read, since the sketches are shared. */
export type Reading = {
	readonly exchange: ToolExchange;
	/** Exchanges of the run before this one. */
	readonly event: number;
	readonly isError: boolean;
	readonly call: CallReading;
	readonly result: ResultReading;
	readonly agent: number;
	/** Of agent, call and result. */
	readonly pair: number;
	/** Of tool and result; one for all results that say there is nothing. */
	readonly outcome: number;
	/** Words of the result, and of call and result together. */
	readonly resultSketch: Sketch;
	readonly wholeSketch: Sketch;
	readonly novelty: Novelty;
};

/**
 * `repeated`: call and result were there before; `stale`: asked in other words, answered alike; `new`: something else was done or learnt;
 * `progress`: the same was asked, and the answer has changed; `alike`: a question in other words, and an answer in other words.
 */
export type Novelty = "new" | "progress" | "alike" | "stale" | "repeated";

type NoveltyInput = Pick<Reading, "call" | "result" | "pair" | "outcome" | "resultSketch">;

/** Results that share so much say the same. */
const SAME = 0.85;
/** Results that share so much may. */
const ALIKE = 0.4;

const resultSketch = new Sketch();
const wholeSketch = new Sketch();
const SKETCHES = { result: resultSketch, whole: wholeSketch };

export function readExchange(memory: LoopMemory, exchange: ToolExchange): Reading {
	resultSketch.clear();
	wholeSketch.clear();
	const isError = exchange.isError || exchange.observation === undefined;
	const call = readCall(exchange.tool, exchange.argsText, wholeSketch);
	const result = readResult(exchange.observation, isError, SKETCHES);
	const agent = hashToken(exchange.agent);
	const isActing = acknowledges(call, result);
	const pair = mixHash(mixHash(agent, isActing ? call.hash : call.looseHash), result.hash);
	// Nothing found is nothing found, in whatever words.
	const outcome = mixHash(call.tool, result.nature === "empty" ? 0 : result.hash);
	const novelty = noveltyOf(memory, { call, result, pair, outcome, resultSketch });
	return { exchange, event: readDouble(memory, AT.events), isError, call, result, agent, pair, outcome, resultSketch, wholeSketch, novelty };
}

/** A call that does something and is told that it is done; what it did shows in its arguments alone. */
function acknowledges(call: CallReading, result: ResultReading): boolean {
	return result.nature === "acknowledgement" && (!call.isReading || (result.isReceipt && call.isTelling));
}

function noveltyOf(memory: LoopMemory, { call, result, pair, outcome, resultSketch: words }: NoveltyInput): Novelty {
	if (remembers(memory, "pairs", pair)) return "repeated";
	const isKnown = remembers(memory, "results", outcome);
	// The same call with another answer is how a poll shows progress, however small the difference; a question has answers, not states.
	if (remembers(memory, "calls", call.looseHash)) return call.isQuestion ? (isKnown ? "stale" : "new") : "progress";
	if (acknowledges(call, result) || !remembers(memory, "targets", call.targetHash)) return "new";
	if (isKnown) return "stale";
	let likeness = 0;
	for (let kept = 0; kept < SKETCHES_KEPT; kept += 1) likeness = Math.max(likeness, similarity(words, { words: memory, at: AT.sketches + kept * SKETCH_SIZE }));
	if (likeness >= SAME) return "stale";
	return call.isQuestion && likeness >= ALIKE ? "alike" : "new";
}
