import { exchangesOf } from "#domain/agents/exchanges.ts";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { AT, readWord } from "#domain/agents/loop-memory.ts";
import type { Turn } from "#domain/agents/read-turn.ts";
import { NO_CALLS } from "#domain/agents/run-event.ts";
import { forgiveUpTo, type RunMemory, stepOf } from "#domain/agents/run-memory.ts";
import { advance, type NewTurns } from "#domain/agents/turn-cursor.ts";
import { type GuardName, type GuardVerdict, LOOP_GUARDS } from "#domain/agents/verdict.ts";

/** What a memory says of turns that it has just been shown. */
export type Observed = {
	/** As long as it holds; the last one. */
	readonly stop: GuardVerdict | undefined;
	/** Those that began. */
	readonly warnings: readonly GuardVerdict[];
	/** What was judged and not taken in: another gateway served its steps, and what they cost is not known here yet. */
	readonly pending: Reading | undefined;
};

export type Reading = {
	readonly turns: NewTurns;
	readonly agent: string;
	/** Milliseconds since 1970. */
	readonly atMs: number;
	/** Times that the run's loops were forgiven. */
	readonly forgiven: number;
};

export function exchangesIn(reading: Reading | undefined): number {
	return reading === undefined ? 0 : reading.turns.turns.reduce((sum, { results }) => sum + results.length, 0);
}

const NOTHING_NEW: Observed = { stop: undefined, warnings: [], pending: undefined };

/**
 * Takes turns into a run's memory. From the first one on whose step is not known here, among the last `patience` turns, they are judged by
 * what they say alone and wait: the next body holds them again, and by then what they cost may be known. With the first body after a person
 * let the run go on everything is forgiven that the body holds, since what it shows is what the run was held for.
 */
export function observeTurns(memory: RunMemory, reading: Reading, patience: number): Observed {
	const { turns: read, atMs, forgiven } = reading;
	const { turns } = read;
	const isForgiven = memory.forgiven < forgiven;
	if (turns.length === 0) {
		if (isForgiven) forgiveUpTo(memory, forgiven);
		return NOTHING_NEW;
	}
	const verdicts: GuardVerdict[] = [];
	// Of turns that were missed only the time between all of them is known.
	const spacingMs = memory.lastExchangeAtMs === 0 ? 0 : Math.max(0, (atMs - memory.lastExchangeAtMs) / turns.length);
	const beside = { agent: reading.agent, spacingMs, verdicts };
	const known = isForgiven ? turns.length : knownOf(memory, turns, patience);
	const taken = known === turns.length ? turns : turns.slice(0, known);
	for (const turn of taken) observeTurn(memory, turn, beside);
	if (known > 0) {
		memory.lastExchangeAtMs = atMs - spacingMs * (turns.length - known);
		advance(memory.cursors, read, taken);
	}
	if (isForgiven) {
		forgiveUpTo(memory, forgiven);
		return NOTHING_NEW;
	}
	let pending: Reading | undefined;
	if (known < turns.length) {
		const judged = { ...memory, loop: memory.loop.slice() };
		for (const turn of turns.slice(known)) observeTurn(judged, turn, beside);
		pending = { ...reading, turns: { ...read, turns: turns.slice(known) } };
	}
	if (verdicts.length === 0 && pending === undefined) return NOTHING_NEW;
	return { stop: verdicts.findLast(({ severity }) => severity === "stop"), warnings: verdicts.filter(({ severity }) => severity === "warn"), pending };
}

/** How many of the turns, from the first, are known with what they cost, or are waited for no longer. */
function knownOf(memory: RunMemory, turns: readonly Turn[], patience: number): number {
	for (let at = Math.max(0, turns.length - patience); at < turns.length; at += 1) {
		const turn = turns[at];
		if (turn !== undefined && stepOf(memory, turn) === undefined) return at;
	}
	return turns.length;
}

type Beside = { readonly agent: string; readonly spacingMs: number; readonly verdicts: GuardVerdict[] };

/** Results whose calls nobody here knows are left out: they would all look alike. */
function observeTurn(memory: RunMemory, turn: Turn, { agent, spacingMs, verdicts }: Beside): void {
	const step = stepOf(memory, turn);
	const calls = step?.calls ?? NO_CALLS;
	const results = turn.results.filter(({ call, callId }) => call !== undefined || calls.some((made) => made.callId === callId));
	const answered = { results, messages: turn.messages };
	for (const exchange of exchangesOf(answered, { agent, costNanoUsd: step?.costNanoUsd ?? 0n, tokens: step?.tokens ?? 0, calls, sinceLastMs: spacingMs }))
		for (const verdict of observeExchange(memory.loop, exchange)) verdicts.push(verdict);
}

const NO_GUARDS: readonly GuardName[] = [];

/** Guards that have warned and not recovered. */
export function warningGuards({ loop }: RunMemory): readonly GuardName[] {
	const warned = readWord(loop, AT.warned);
	return warned === 0 ? NO_GUARDS : LOOP_GUARDS.filter((_, place) => (warned & (1 << place)) !== 0);
}
