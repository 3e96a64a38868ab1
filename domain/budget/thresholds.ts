import { type BudgetThreshold, DEFAULT_WARN_BASIS_POINTS, type ThresholdAction, thresholdAmount } from "./scope.ts";

/**
 * Which lines a window's total has crossed. A line is an action and an amount, and fires once per window; a raised limit
 * that moves it above the total withdraws it and draws a new line, which may fire in its turn. What was fired once is
 * never fired again, also when a limit goes back and forth.
 */
type Line = { readonly action: ThresholdAction; readonly amount: bigint };

/** A line that fired; the amount is a decimal string, because this lives in workflow state. */
export type FiredLine = {
	readonly action: ThresholdAction;
	readonly amount: string;
	/** The total is at or above it now, and it is a line of the budget now. */
	readonly isStanding: boolean;
	/** Nobody was told of it, because a line that covers it was: nobody is told when it is gone. */
	readonly isSilent?: true;
	/** Stands for every line of its action at or below it: what was too much to remember one by one. */
	readonly coversBelow?: true;
};

export type WindowThresholds = readonly FiredLine[];

export type ThresholdTransition = { readonly action: ThresholdAction; readonly transition: "fired" | "withdrawn"; readonly amount: string };

export type ThresholdInput = {
	readonly limitAmount: bigint;
	readonly thresholds: readonly BudgetThreshold[];
	/** Up to here spend was approved in this window: lines of needApproval at or below it ask for nothing. */
	readonly approvedAmount: bigint;
	readonly postedAmount: bigint;
	/** Calls of this window refused for want of money. */
	readonly refusals: number;
	/** Where spend stopped when the newest of them was refused; absent where nobody knows. */
	readonly refusedAtStop?: bigint | undefined;
};

export const NO_THRESHOLDS: WindowThresholds = [];

/** Fired lines remembered one by one per window: twice what a budget can have, so that one change of limit forgets nothing. */
export const FIRED_LINES_MAX = 16;

/** The lines of a budget, ascending, each once; the limit itself is always a stop. */
export function linesOf({ limitAmount, thresholds }: Pick<ThresholdInput, "limitAmount" | "thresholds">): Line[] {
	const lines = new Map<string, Line>();
	for (const { action, at } of thresholds) {
		const line = { action, amount: thresholdAmount(at, limitAmount) };
		lines.set(keyOf(line), line);
	}
	const limit: Line = { action: "stop", amount: limitAmount };
	return [...lines.set(keyOf(limit), limit).values()].sort(byAmount);
}

/** Whether spend stops at the line: a stop, or an approval that nobody gave yet. */
function isRestricting({ action, amount }: Line, approvedAmount: bigint): boolean {
	return action === "stop" || (action === "needApproval" && amount > approvedAmount);
}

/** Pure: the lines that have fired, and what changed. */
export function decideThresholds(
	known: WindowThresholds,
	input: ThresholdInput,
): { readonly thresholds: WindowThresholds; readonly transitions: readonly ThresholdTransition[] } {
	const crossed = crossedLines(input);
	const isCrossed = new Set(crossed.map(keyOf));
	const standing = new Set(known.filter((line) => line.isStanding).map(keyOf));
	const unknown = crossed.filter((line) => !known.some((fired) => keyOf(fired) === keyOf(line)));
	const fired = unknown.filter((line) => !isCovered(known, line));
	const thresholds = [
		...known.map((line) => ({ ...line, isStanding: isCrossed.has(keyOf(line)) })),
		...unknown.map((line) => firedLine(line, isCovered(known, line))),
	];
	const transitions = [...withdrawals(known, crossed, standing), ...fired.map(({ action, amount }) => transitionOf(action, "fired", amount))];
	return { thresholds: remembered(thresholds), transitions };
}

function crossedLines(input: ThresholdInput): Line[] {
	const lines = linesOf(input);
	const asked = lines.filter((line) => line.action !== "needApproval" || isRestricting(line, input.approvedAmount));
	const stop = asked.find((line) => isRestricting(line, input.approvedAmount));
	return asked.filter((line) => isReached(line, input) || (line === stop && isStoppedInEffect(line, lines, input)));
}

/** A limit of zero stops at once and tells nothing else. */
function isReached({ action, amount }: Line, { limitAmount, postedAmount }: ThresholdInput): boolean {
	return postedAmount >= amount && (action === "stop" || limitAmount > 0n);
}

/**
 * Spend seldom lands on a stop exactly: a window that refuses calls beyond the last line before it is stopped in effect.
 * What was refused at a lower stop, before a raise or an approval, says nothing of this one.
 */
function isStoppedInEffect(stop: Line, lines: readonly Line[], { limitAmount, postedAmount, refusals, refusedAtStop }: ThresholdInput): boolean {
	if (refusals === 0 || limitAmount === 0n || (refusedAtStop !== undefined && refusedAtStop < stop.amount)) return false;
	const before = lines.findLast(({ amount }) => amount < stop.amount)?.amount ?? thresholdAmount({ basisPoints: DEFAULT_WARN_BASIS_POINTS }, stop.amount);
	return postedAmount >= before;
}

/** A line that moved up, is approved or was taken away is withdrawn, unless another of its action took its place. */
function withdrawals(known: WindowThresholds, crossed: readonly Line[], standing: ReadonlySet<string>): ThresholdTransition[] {
	const isCrossed = new Set(crossed.map(keyOf));
	const gone = known
		.filter((line) => line.isStanding && line.isSilent !== true && !isCrossed.has(keyOf(line)))
		.sort((left, right) => byAmount(toLine(right), toLine(left)));
	const replaced = new Map<ThresholdAction, number>();
	for (const line of crossed) if (!standing.has(keyOf(line))) replaced.set(line.action, (replaced.get(line.action) ?? 0) + 1);
	const withdrawn = gone.filter(({ action }) => {
		const left = replaced.get(action) ?? 0;
		replaced.set(action, left - 1);
		return left <= 0;
	});
	return withdrawn.reverse().map(({ action, amount }) => transitionOf(action, "withdrawn", BigInt(amount)));
}

function firedLine({ action, amount }: Line, isSilent: boolean): FiredLine {
	return { action, amount: amount.toString(), isStanding: true, ...(isSilent && { isSilent }) };
}

function isCovered(known: WindowThresholds, { action, amount }: Line): boolean {
	return known.some((line) => line.action === action && line.coversBelow === true && amount <= BigInt(line.amount));
}

/** Beyond what is kept the lowest lines that stand no more are covered by the next one of their action. */
function remembered(lines: readonly FiredLine[]): WindowThresholds {
	let kept = [...lines];
	while (kept.length > FIRED_LINES_MAX) {
		const pair = lowestPair(kept);
		if (pair === undefined) break;
		const [lower, upper] = pair;
		kept = kept.filter((line) => line !== lower).map((line) => (line === upper ? { ...line, coversBelow: true } : line));
	}
	return kept;
}

function lowestPair(lines: readonly FiredLine[]): readonly [FiredLine, FiredLine] | undefined {
	const ascending = [...lines].sort((left, right) => byAmount(toLine(left), toLine(right)));
	for (const lower of ascending) {
		if (lower.isStanding) continue;
		const upper = ascending.find((line) => line !== lower && line.action === lower.action && BigInt(line.amount) > BigInt(lower.amount));
		if (upper !== undefined) return [lower, upper];
	}
	return undefined;
}

function transitionOf(action: ThresholdAction, transition: ThresholdTransition["transition"], amount: bigint): ThresholdTransition {
	return { action, transition, amount: amount.toString() };
}

function toLine({ action, amount }: FiredLine): Line {
	return { action, amount: BigInt(amount) };
}

function keyOf({ action, amount }: { readonly action: ThresholdAction; readonly amount: bigint | string }): string {
	return `${action} ${amount}`;
}

function byAmount(left: Line, right: Line): number {
	return left.amount < right.amount ? -1 : left.amount > right.amount ? 1 : 0;
}
