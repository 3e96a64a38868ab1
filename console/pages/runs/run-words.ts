import type { CeilingKind } from "#domain/agents/ceilings.ts";
import type { RunState } from "#domain/agents/run.ts";
import type { Answer } from "../../api/client.ts";
import type { Tone } from "../../frame/page.tsx";

export type Run = Answer<"/admin/v1/runs/{runId}">;
export type ListedRun = Answer<"/admin/v1/runs">["runs"][number];
export type Hold = NonNullable<Run["hold"]>;
export type StandingCeiling = Run["ceilings"][number];

export const STATE_TONES: Readonly<Record<RunState, Tone>> = { running: "good", paused: "warn", stopped: "bad", finished: "quiet" };

const GUARDS: Readonly<Record<string, string>> = {
	"loop.error_retry": "repeats a call that fails",
	"loop.repetition": "repeats a call and its result",
	"loop.cycle": "goes round in a cycle of calls",
	"loop.ping_pong": "agents hand the same work to each other",
	"loop.no_progress": "makes no progress",
	"loop.context_growth": "its context grows with every step",
	"loop.cost_velocity": "costs more and more a step",
	person: "stopped by a person",
	parent: "held with the run above it",
};

export const CEILING_NAMES: Readonly<Record<CeilingKind, string>> = {
	costNanoUsd: "Cost",
	inputTokens: "Input tokens",
	outputTokens: "Output tokens",
	steps: "Steps",
	elapsedMs: "Time",
	toolCalls: "Tool calls",
	depth: "Depth",
	width: "Child runs",
	outputBytes: "Bytes of answers",
	contextGrowthTokens: "Growth a step in tokens",
};

const CEILING_GUARD = "ceiling.";

/** What holds a run, in a few words. A guard of a newer release goes by its own name. */
export function guardWords({ guard, tool }: Pick<Hold, "guard" | "tool">): string {
	if (!isCeiling({ guard })) return GUARDS[guard] ?? guard;
	return `reached its ceiling (${ceilingName({ kind: guard.slice(CEILING_GUARD.length), tool }).toLowerCase()})`;
}

export function isCeiling({ guard }: Pick<Hold, "guard">): boolean {
	return guard.startsWith(CEILING_GUARD);
}

/** Whether this ceiling is what holds the run. */
export function isHolding({ kind, tool, ofRunId, isSoft }: StandingCeiling, hold: Hold | null): boolean {
	if (hold === null || isSoft) return false;
	return hold.guard === `${CEILING_GUARD}${kind}` && hold.ofRunId === ofRunId && (tool === undefined || tool === "*" || hold.tool === tool);
}

export function ceilingName({ kind, tool }: { readonly kind: string; readonly tool?: string | undefined }): string {
	const name = (CEILING_NAMES as Readonly<Record<string, string | undefined>>)[kind] ?? kind;
	if (tool === undefined) return name;
	return tool === "*" ? `${name}, each tool` : `${name}, ${tool}`;
}
