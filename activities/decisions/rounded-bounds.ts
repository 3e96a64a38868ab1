import type { CallFacts, Decider } from "./port.ts";

/**
 * Shows an engine bounds that are rounded up to a power of two, so that calls that are nearly alike are one question and share
 * its remembered decision. Up, because a rule that refuses dear calls must never let one through for it.
 */
export function roundBounds(decider: Decider): Decider {
	return {
		isAsked: decider.isAsked,
		decide: (facts) => decider.decide(withRoundedBounds(facts)),
		close: () => decider.close(),
	};
}

function withRoundedBounds(facts: CallFacts): CallFacts {
	return { ...facts, boundNanoUsd: roundUp(facts.boundNanoUsd), boundTokens: roundUp(facts.boundTokens) };
}

/** The least power of two that is not below the amount; 0 stays 0. */
function roundUp(amount: string): string {
	const exact = BigInt(amount);
	return exact <= 1n ? amount : (1n << BigInt((exact - 1n).toString(2).length)).toString();
}
