import { CEILING_KINDS, type Ceiling, type CeilingKind } from "./ceilings.ts";
import type { RunRecord, RunTotals } from "./run.ts";
import { checkRunLimits } from "./run-limits.ts";
import type { StandingCeiling } from "./run-snapshot.ts";

/** A run of a chain, as far as its ceilings go. */
type Link = { readonly run: RunRecord; readonly totals: RunTotals };

/**
 * Ceilings of a run and of all above it, the run's own first, with what is taken of each. `chain`: root first, the run last. Growth of the
 * context is known to the gateways alone and left out. Limits that cannot be read (of a newer release) are left out too.
 */
export function standingCeilings(chain: readonly Link[]): readonly StandingCeiling[] {
	return chain.toReversed().flatMap((link) => {
		const limits = checkRunLimits(link.run.limits);
		if (limits.kind === "invalid") return [];
		return limits.value.toSorted(byKind).flatMap((ceiling) => standing(ceiling, link, chain.length - 1));
	});
}

function byKind(left: Ceiling, right: Ceiling): number {
	return CEILING_KINDS.indexOf(left.kind) - CEILING_KINDS.indexOf(right.kind) || compare(left.tool ?? "", right.tool ?? "");
}

function compare(left: string, right: string): number {
	return left === right ? 0 : left < right ? -1 : 1;
}

function standing({ kind, tool, soft, hard }: Ceiling, link: Link, depth: number): readonly StandingCeiling[] {
	const at = hard?.at ?? soft?.at;
	if (at === undefined || kind === "contextGrowthTokens") return [];
	const named = { ofRunId: link.run.runId, kind, ...(tool !== undefined && { tool }) };
	return [{ ...named, at: at.toString(), taken: takenOf(kind, { ...link, depth, tool }), ...(hard === undefined && { isSoft: true as const }) }];
}

type Taken = Link & { readonly depth: number; readonly tool: string | undefined };

function takenOf(kind: Exclude<CeilingKind, "contextGrowthTokens">, { run, totals, depth, tool = "*" }: Taken): string {
	switch (kind) {
		case "costNanoUsd":
			return totals.costNanoUsd.startsWith("-") ? "0" : totals.costNanoUsd;
		case "toolCalls":
			// Each tool by itself: the one called most often.
			if (tool === "*") return String(Math.max(0, ...Object.values(totals.toolCalls)));
			return String(Object.hasOwn(totals.toolCalls, tool) ? totals.toolCalls[tool] : 0);
		case "elapsedMs":
			return String(Math.max(0, Math.floor(run.openedMsAgo - run.pausedMs)));
		case "depth":
			return String(depth);
		case "width":
			return String(run.children);
		default:
			return String(Math.max(0, totals[kind]));
	}
}
