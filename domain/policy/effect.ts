import { checkRunLimits } from "../agents/run-limits.ts";
import { effectiveRuns, type TeamRuns } from "../agents/team-runs.ts";
import { type BudgetDefinition, type BudgetThreshold, thresholdAmount } from "../budget/scope.ts";
import type { CallCap, RateRule } from "../limits/team-limits.ts";
import type { KeyAttributes } from "./policy.ts";

/** What calls feel of a change: whether fewer of them, or more, would be let through. */
export type Effect = "tightens" | "loosens" | "both" | "neutral";

export function effectOfAll(effects: readonly Effect[]): Effect {
	const tightens = effects.some((effect) => effect === "tightens" || effect === "both");
	const loosens = effects.some((effect) => effect === "loosens" || effect === "both");
	if (tightens && loosens) return "both";
	return tightens ? "tightens" : loosens ? "loosens" : "neutral";
}

/** Of a flag that lets calls through, like `unlimited`. */
export function effectOfFlag(before: boolean, after: boolean): Effect {
	return before === after ? "neutral" : after ? "loosens" : "tightens";
}

/** null = no ceiling. */
export function effectOfCeiling(before: string | null, after: string | null): Effect {
	return effectOfLimit(before ?? undefined, after ?? undefined);
}

/** Of a list that says what is allowed; null = everything. */
export function effectOfList(before: readonly string[] | null, after: readonly string[] | null): Effect {
	const isGone = after !== null && (before === null || before.some((item) => !after.includes(item)));
	const isNew = before !== null && (after === null || after.some((item) => !before.includes(item)));
	return effectOfAll([isGone ? "tightens" : "neutral", isNew ? "loosens" : "neutral"]);
}

export function effectOfCap(before: CallCap | undefined, after: CallCap | undefined): Effect {
	return effectOfAll([
		effectOfLimit(before?.inputTokens, after?.inputTokens),
		effectOfLimit(before?.outputTokens, after?.outputTokens),
		effectOfLimit(before?.costNanoUsd, after?.costNanoUsd),
	]);
}

export function effectOfRate(before: RateRule | undefined, after: RateRule | undefined): Effect {
	return effectOfAll([
		effectOfLimit(before?.requestsPerMinute, after?.requestsPerMinute),
		effectOfLimit(before?.tokensPerMinute, after?.tokensPerMinute),
		effectOfLimit(before?.inFlight, after?.inFlight),
	]);
}

export function effectOfKey(before: KeyAttributes | undefined, after: KeyAttributes | undefined): Effect {
	if (before === undefined || after === undefined) return "neutral";
	return effectOfAll([
		effectOfList(before.models, after.models),
		effectOfList(before.endpoints, after.endpoints),
		effectOfList(before.mayAssert, after.mayAssert),
		effectOfLimit(before.maxAsserted, after.maxAsserted),
		effectOfFlag(!before.requiresRun, !after.requiresRun),
	]);
}

/** Of what roots get and may ask for; how a loop ends a run is neither more nor less. */
export function effectOfRuns(before: TeamRuns, after: TeamRuns): Effect {
	const [known, wanted] = [effectiveRuns(before), effectiveRuns(after)];
	return effectOfAll([
		effectOfCeilings(known.limits, wanted.limits),
		effectOfCeilings(known.most, wanted.most),
		effectOfLimit(known.newRunsPerHour, wanted.newRunsPerHour),
	]);
}

type Limits = Readonly<Record<string, unknown>>;

function effectOfCeilings(before: Limits, after: Limits): Effect {
	const [known, wanted] = [hardLines(before), hardLines(after)];
	return effectOfAll([...new Set([...known.keys(), ...wanted.keys()])].map((name) => effectOfLimit(known.get(name), wanted.get(name))));
}

function hardLines(limits: Limits): ReadonlyMap<string, string> {
	const checked = checkRunLimits(limits);
	if (checked.kind === "invalid") return new Map();
	return new Map(checked.value.flatMap(({ kind, tool = "", hard }) => (hard ? [[`${kind} ${tool}`, hard.at.toString()] as const] : [])));
}

/** An observed budget holds nothing back: it is as none. */
export function effectOfBudget(before: BudgetDefinition | undefined, after: BudgetDefinition | undefined): Effect {
	const known = before?.mode === "enforce" ? before : undefined;
	const wanted = after?.mode === "enforce" ? after : undefined;
	return effectOfAll([
		effectOfLimit(known?.limitAmount, wanted?.limitAmount),
		...(["degrade", "needApproval", "stop"] as const).map((action) => effectOfLimit(firstLine(known, action), firstLine(wanted, action))),
	]);
}

/** Where an action begins to restrict; a stop stands at the limit in any case. */
function firstLine(budget: BudgetDefinition | undefined, action: BudgetThreshold["action"]): string | undefined {
	if (budget === undefined) return undefined;
	const limit = BigInt(budget.limitAmount);
	const amounts = budget.thresholds.filter((threshold) => threshold.action === action).map(({ at }) => thresholdAmount(at, limit));
	if (action === "stop") amounts.push(limit);
	return amounts.length === 0 ? undefined : amounts.reduce((lowest, amount) => (amount < lowest ? amount : lowest)).toString();
}

/** undefined = no limit. */
function effectOfLimit(before: number | string | undefined, after: number | string | undefined): Effect {
	if (before === undefined && after === undefined) return "neutral";
	if (before === undefined) return "tightens";
	if (after === undefined) return "loosens";
	const [known, wanted] = [BigInt(before), BigInt(after)];
	return known === wanted ? "neutral" : wanted < known ? "tightens" : "loosens";
}
