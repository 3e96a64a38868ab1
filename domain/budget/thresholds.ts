import { divideRoundingUp } from "../money/nano-usd.ts";

/**
 * Which lines a window's total has crossed. Every line (kind and amount) fires once per window; a raised
 * limit that moves a line above the total withdraws it and draws a new line, which may fire in its turn.
 * Lowering a limit again restores the old line without firing it a second time.
 */
export type ThresholdKind = "warn" | "stop";

/** Amounts are decimal strings: this lives in workflow state. */
export type ThresholdState = { readonly highestFiredAmount: string | null; readonly isStanding: boolean };
export type WindowThresholds = Readonly<Record<ThresholdKind, ThresholdState>>;

export type ThresholdTransition = { readonly kind: ThresholdKind; readonly transition: "fired" | "withdrawn"; readonly amount: string };

export type ThresholdInput = {
	readonly limitAmount: bigint;
	/** null = the limit. */
	readonly stopAmount: bigint | null;
	readonly warnBasisPoints: number;
	readonly postedAmount: bigint;
	/** Calls of this window refused for want of money. */
	readonly refusals: number;
};

export const NO_THRESHOLDS: WindowThresholds = {
	warn: { highestFiredAmount: null, isStanding: false },
	stop: { highestFiredAmount: null, isStanding: false },
};

/** The amounts at which a budget warns and stops; the warning is rounded up to a whole unit. */
export function thresholdAmounts(input: Pick<ThresholdInput, "limitAmount" | "stopAmount" | "warnBasisPoints">): Record<ThresholdKind, bigint> {
	return { warn: divideRoundingUp(input.limitAmount * BigInt(input.warnBasisPoints), 10_000n), stop: input.stopAmount ?? input.limitAmount };
}

/** Pure: the new state of both lines, and what changed. */
export function decideThresholds(
	known: WindowThresholds,
	input: ThresholdInput,
): { readonly thresholds: WindowThresholds; readonly transitions: readonly ThresholdTransition[] } {
	const amounts = thresholdAmounts(input);
	const isWarned = input.limitAmount > 0n && input.postedAmount >= amounts.warn;
	// Spend seldom lands on the limit exactly: a window that refuses calls beyond its warning is stopped in effect.
	const isStopped = input.postedAmount >= amounts.stop || (isWarned && input.refusals > 0);
	const warn = moveLine("warn", known.warn, amounts.warn, isWarned);
	const stop = moveLine("stop", known.stop, amounts.stop, isStopped);
	return { thresholds: { warn: warn.state, stop: stop.state }, transitions: [...warn.transitions, ...stop.transitions] };
}

function moveLine(
	kind: ThresholdKind,
	known: ThresholdState,
	amount: bigint,
	isCrossed: boolean,
): { state: ThresholdState; transitions: ThresholdTransition[] } {
	if (!isCrossed) {
		const transitions: ThresholdTransition[] = known.isStanding ? [{ kind, transition: "withdrawn", amount: amount.toString() }] : [];
		return { state: { ...known, isStanding: false }, transitions };
	}
	const hasFired = known.highestFiredAmount !== null && BigInt(known.highestFiredAmount) >= amount;
	if (hasFired) return { state: { ...known, isStanding: true }, transitions: [] };
	return { state: { highestFiredAmount: amount.toString(), isStanding: true }, transitions: [{ kind, transition: "fired", amount: amount.toString() }] };
}
