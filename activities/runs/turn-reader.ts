import { exchangesOf } from "#domain/agents/exchanges.ts";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { AT, readWord } from "#domain/agents/loop-memory.ts";
import type { Turn } from "#domain/agents/read-turn.ts";
import type { ToolCall } from "#domain/agents/run-event.ts";
import { forgiveUpTo, type RunMemory, stepOf } from "#domain/agents/run-memory.ts";
import { advance, type NewTurns } from "#domain/agents/turn-cursor.ts";
import { type GuardName, type GuardVerdict, LOOP_GUARDS } from "#domain/agents/verdict.ts";

/** What a memory says of turns that it has just taken in. */
export type Observed = {
	/** As long as it holds; the last one. */
	readonly stop: GuardVerdict | undefined;
	/** Those that began. */
	readonly warnings: readonly GuardVerdict[];
	/** The last step was served elsewhere: what it cost is not known here. */
	readonly isBehind: boolean;
};

export type Reading = {
	readonly turns: NewTurns;
	readonly agent: string;
	/** Milliseconds since 1970. */
	readonly atMs: number;
	/** Times that the run's loops were forgiven. */
	readonly forgiven: number;
};

const NOTHING_NEW: Observed = { stop: undefined, warnings: [], isBehind: false };

/**
 * Takes turns into a run's memory. With the first body after a person let the run go on everything is forgiven that the body holds, since
 * what it shows is what the run was held for. Results whose calls nobody here knows are left out: they would all look alike.
 */
export function observeTurns(memory: RunMemory, { turns: read, agent, atMs, forgiven }: Reading): Observed {
	const { turns } = read;
	const isForgiven = memory.forgiven < forgiven;
	if (turns.length === 0) {
		if (isForgiven) forgiveUpTo(memory, forgiven);
		return NOTHING_NEW;
	}
	const verdicts: GuardVerdict[] = [];
	// Of turns that were missed only the time between all of them is known.
	const spacingMs = memory.lastExchangeAtMs === 0 ? 0 : Math.max(0, (atMs - memory.lastExchangeAtMs) / turns.length);
	for (const turn of turns) observeTurn(memory, turn, { agent, spacingMs, verdicts });
	const last = turns.at(-1);
	const isBehind = last !== undefined && stepOf(memory, last) === undefined;
	memory.lastExchangeAtMs = atMs;
	advance(memory.cursors, read);
	if (isForgiven) {
		forgiveUpTo(memory, forgiven);
		return { ...NOTHING_NEW, isBehind };
	}
	return { stop: verdicts.findLast(({ severity }) => severity === "stop"), warnings: verdicts.filter(({ severity }) => severity === "warn"), isBehind };
}

type Beside = { readonly agent: string; readonly spacingMs: number; readonly verdicts: GuardVerdict[] };

function observeTurn(memory: RunMemory, turn: Turn, { agent, spacingMs, verdicts }: Beside): void {
	const step = stepOf(memory, turn);
	const calls = step?.calls ?? NO_CALLS;
	const known = turn.results.filter(({ call, callId }) => call !== undefined || calls.some((made) => made.callId === callId));
	const exchanges = exchangesOf({ ...turn, results: known }, { agent, costNanoUsd: step?.costNanoUsd ?? 0n, tokens: step?.tokens ?? 0, calls });
	for (const [index, exchange] of exchanges.entries())
		verdicts.push(...observeExchange(memory.loop, index === 0 ? { ...exchange, sinceLastMs: spacingMs } : exchange));
}

const NO_CALLS: readonly ToolCall[] = [];
const NO_GUARDS: readonly GuardName[] = [];

/** Guards that have warned and not recovered. */
export function warningGuards({ loop }: RunMemory): readonly GuardName[] {
	const warned = readWord(loop, AT.warned);
	return warned === 0 ? NO_GUARDS : LOOP_GUARDS.filter((_, place) => (warned & (1 << place)) !== 0);
}
