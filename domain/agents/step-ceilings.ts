import type { Ceiling, CeilingKind } from "./ceilings.ts";

/** Kept exactly by the run's budgets: their hard lines, and the lines from which they degrade. */
const BY_BUDGETS: ReadonlySet<CeilingKind> = new Set(["costNanoUsd", "inputTokens", "outputTokens", "steps"]);
/** Their hard lines are judged where a child is opened. */
const BY_OPENING: ReadonlySet<CeilingKind> = new Set(["depth", "width"]);

/** What is left to judge before a step begins: all but what budgets keep exactly, and what is judged where a child is opened. */
export function stepCeilings(ceilings: readonly Ceiling[]): readonly Ceiling[] {
	return ceilings.flatMap(judgedOf);
}

function judgedOf(ceiling: Ceiling): readonly Ceiling[] {
	const { kind, soft, hard } = ceiling;
	if (!BY_BUDGETS.has(kind) && !BY_OPENING.has(kind)) return hard === undefined && soft === undefined ? [] : [ceiling];
	return soft === undefined || (BY_BUDGETS.has(kind) && soft.action === "degrade") ? [] : [{ kind, soft }];
}
