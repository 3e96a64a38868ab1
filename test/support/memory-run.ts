import type { BudgetRule } from "#activities/authority/port.ts";
import type { ChainRun } from "#activities/runs/port.ts";
import type { Ceiling } from "#domain/agents/ceilings.ts";
import type { RunOrigin, RunRecord, RunState, RunTotals } from "#domain/agents/run.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import { writeRunLimits } from "#domain/agents/run-limits.ts";

/** A run as the memory holds it. */
export type MemoryRun = {
	readonly number: bigint;
	readonly runId: string;
	readonly teamId: string;
	readonly keyId: string;
	readonly origin: RunOrigin;
	readonly prefix: string | undefined;
	/** Root first, itself last. */
	readonly chain: readonly MemoryRun[];
	/** What it was opened with: a process that was restarted names it again, whatever was raised since. */
	readonly opened: string;
	readonly onLoop: "pause" | "stop";
	readonly openedAtMs: number;
	readonly budgets: readonly BudgetRule[];
	limits: readonly Ceiling[];
	state: RunState;
	hold: RunHold | null;
	heldBy: bigint | undefined;
	heldAtMs: number | undefined;
	pausedMs: number;
	version: bigint;
	forgiven: number;
	children: number;
	totals: RunTotals;
	memory: { readonly bytes: Uint8Array; readonly exchanges: number } | undefined;
};

/** All runs in the order opened. `changed` tells of the roots of the trees that changed. */
export type MemoryBooks = {
	readonly runs: MemoryRun[];
	readonly nowMs: () => number;
	most: readonly Ceiling[];
	revision: bigint;
	changed(rootRunIds: readonly string[]): void;
};

export const NOTHING_TAKEN: RunTotals = { costNanoUsd: "0", inputTokens: 0, outputTokens: 0, steps: 0, outputBytes: 0, toolCalls: {} };

export function chainRun({ nowMs }: MemoryBooks, run: MemoryRun): ChainRun {
	return { run: recordOf(run, nowMs()), budgets: run.budgets, totals: run.totals };
}

export function recordOf(run: MemoryRun, nowMs: number): RunRecord {
	return {
		...{ number: run.number.toString(), runId: run.runId, teamId: run.teamId, keyId: run.keyId, origin: run.origin },
		...{ path: run.chain.map(({ number }) => number.toString()), limits: writeRunLimits(run.limits), state: run.state, hold: run.hold },
		...{ version: run.version.toString(), forgiven: run.forgiven, children: run.children, onLoop: run.onLoop },
		openedMsAgo: Math.max(0, nowMs - run.openedAtMs),
		pausedMs: pausedMsOf(run, nowMs),
	};
}

/** Milliseconds for which it was held, a hold that lasts included. */
export function pausedMsOf({ pausedMs, heldAtMs }: MemoryRun, nowMs: number): number {
	return pausedMs + (heldAtMs === undefined ? 0 : Math.max(0, nowMs - heldAtMs));
}

export function addTotals(
	totals: RunTotals,
	{ costNanoUsd = "0", inputTokens = 0, outputTokens = 0, steps = 0, outputBytes = 0, toolCalls = {} }: Partial<RunTotals>,
): RunTotals {
	const calls = new Map(Object.entries(totals.toolCalls));
	for (const [tool, count] of Object.entries(toolCalls)) calls.set(tool, (calls.get(tool) ?? 0) + count);
	return {
		costNanoUsd: (BigInt(totals.costNanoUsd) + BigInt(costNanoUsd)).toString(),
		inputTokens: totals.inputTokens + inputTokens,
		outputTokens: totals.outputTokens + outputTokens,
		steps: totals.steps + steps,
		outputBytes: totals.outputBytes + outputBytes,
		toolCalls: Object.fromEntries(calls),
	};
}

/** The same text for the same limits, in whatever order they were written. */
export function limitsText(limits: readonly Ceiling[]): string {
	const sorted = limits.toSorted((one, other) => (`${one.kind} ${one.tool ?? ""}` < `${other.kind} ${other.tool ?? ""}` ? -1 : 1));
	return JSON.stringify(writeRunLimits(sorted));
}
