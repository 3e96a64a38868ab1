import { type Ceiling, type CeilingKind, type CeilingVerdict, judgeCeilings, type RunTally } from "./ceilings.ts";

/** Kept exactly by the run's budgets: their hard lines, and the lines from which they degrade. */
const BY_BUDGETS: ReadonlySet<CeilingKind> = new Set(["costNanoUsd", "inputTokens", "outputTokens", "steps"]);
/** Their hard lines are judged where a child is opened. */
const BY_OPENING: ReadonlySet<CeilingKind> = new Set(["depth", "width"]);

const NONE: readonly CeilingVerdict[] = [];
/** Limits of a run are judged at each of its steps and change seldom. */
const ofSteps = new WeakMap<readonly Ceiling[], readonly Ceiling[]>();

/** What is left to judge before a step begins. */
export function stepCeilings(ceilings: readonly Ceiling[]): readonly Ceiling[] {
	const known = ofSteps.get(ceilings);
	if (known !== undefined) return known;
	const judged = ceilings.flatMap(judgedOf);
	ofSteps.set(ceilings, judged);
	return judged;
}

/** Every ceiling that is reached, hard ones first, but for what budgets keep exactly. */
export function judgeStep(ceilings: readonly Ceiling[], tally: RunTally): readonly CeilingVerdict[] {
	const judged = stepCeilings(ceilings);
	return judged.length === 0 ? NONE : judgeCeilings(judged, tally);
}

function judgedOf(ceiling: Ceiling): readonly Ceiling[] {
	const { kind, soft, hard } = ceiling;
	if (!BY_BUDGETS.has(kind) && !BY_OPENING.has(kind)) return hard === undefined && soft === undefined ? [] : [ceiling];
	return soft === undefined || (BY_BUDGETS.has(kind) && soft.action === "degrade") ? [] : [{ kind, soft }];
}
