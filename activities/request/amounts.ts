import type { Bound } from "#domain/bound/request.ts";
import { type Amounts, amountIn, type MatchedBudget } from "#domain/budget/lease-book.ts";
import type { LeaseFacts } from "#domain/budget/window-lease.ts";
import type { AdmissionInput } from "./port.ts";

export const NOTHING: Amounts = { nanoUsd: 0n, tokens: 0n, outputTokens: 0n, steps: 0n };

/** Whether a call is a step of an agent run: counting tokens is none, whoever asks. */
export function isRunStep({ run, endpoint }: Pick<AdmissionInput, "run" | "endpoint">): boolean {
	return run !== undefined && endpoint !== "count_tokens";
}

/** What a call takes at most if its body is sent untouched. */
export function amountsOf({ nanoUsd, tokens, inputTokens }: Pick<Bound, "nanoUsd" | "tokens" | "inputTokens">, isStep: boolean): Amounts {
	return { nanoUsd, tokens: BigInt(tokens), outputTokens: isStep ? BigInt(tokens - inputTokens) : 0n, steps: isStep ? 1n : 0n };
}

/** The same under an output cap. */
export function amountsAt(bound: Bound, outputTokens: number, isStep: boolean): Amounts {
	return amountsOf({ ...bound.at(outputTokens), inputTokens: bound.inputTokens }, isStep);
}

/** The least a call can be admitted with: at the clamp's floor where a clamp is possible, else the bound itself. */
export function leastAmounts(bound: Bound, isStep: boolean): Amounts {
	return bound.clampFloorTokens === undefined ? amountsOf(bound, isStep) : amountsAt(bound, bound.clampFloorTokens, isStep);
}

/** More than any budget, and far below what a bigint of PostgreSQL holds. */
const WITHOUT_BOUND = 1n << 62n;

/** What may be granted in a window: the limit, or a restricting threshold below it; anything in an observed one. */
export function boundOf(item: Pick<LeaseFacts, "limit" | "stop" | "isObserved">): bigint {
	if (item.isObserved) return WITHOUT_BOUND;
	return item.stop < item.limit ? item.stop : item.limit;
}

/** Two seconds of burn, at least eight needs; the authority caps it by the room and the number of live gateways. */
export function lookaheadOf(need: bigint, burnPerSecond: bigint): bigint {
	const twoSeconds = 2n * burnPerSecond;
	return twoSeconds > 8n * need ? twoSeconds : 8n * need;
}

export function maximum(amounts: readonly bigint[]): bigint {
	return amounts.reduce((largest, amount) => (amount > largest ? amount : largest), 0n);
}

/** What a team wants kept for an outage in a budget. Ceilings of its agent runs keep nothing: a step cannot be promised twice. */
export function allowanceIn({ dimension, unit }: MatchedBudget, allowance: Amounts): bigint {
	return dimension === "run" ? 0n : amountIn(unit, allowance);
}

/** What teams want kept for an outage, where several wait at once; in the units that they can want it in. */
export function largestOf(list: readonly Amounts[]): Amounts {
	return { ...NOTHING, nanoUsd: maximum(list.map(({ nanoUsd }) => nanoUsd)), tokens: maximum(list.map(({ tokens }) => tokens)) };
}
