import { MAX_TOKENS_PER_FIELD, type Usage } from "./usage.ts";

const TOKEN_FIELDS = ["inputTokens", "cachedInputTokens", "cacheWrite5mTokens", "cacheWrite1hTokens", "outputTokens", "reasoningTokens"] as const;

/**
 * The one rule for usage that may be priced: every count is a whole number from 0 to
 * `MAX_TOKENS_PER_FIELD`, and no part is larger than its whole. Pricing subtracts parts from
 * wholes, so a violation would turn into a negative quantity, that is, money given back.
 * Returns the reason, naming the field, or undefined when the usage is usable.
 */
export function findUsageProblem(usage: Usage): string | undefined {
	for (const field of TOKEN_FIELDS) {
		const problem = findCountProblem(usage[field]);
		if (problem) return `${field} ${problem}`;
	}
	const inputParts = usage.cachedInputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
	if (inputParts > usage.inputTokens) return "inputTokens is smaller than its cached and cache-written parts";
	if (usage.reasoningTokens > usage.outputTokens) return "outputTokens is smaller than reasoningTokens";
	if (usage.toolCalls === undefined) return undefined;
	for (const [tool, calls] of Object.entries(usage.toolCalls)) {
		const problem = findCountProblem(calls);
		if (problem) return `toolCalls.${tool} ${problem}`;
	}
	return undefined;
}

/** Why a value is not a usable count ("is negative"), or undefined when it is one. */
export function findCountProblem(value: unknown): string | undefined {
	if (value === undefined || value === null) return "is missing";
	if (typeof value !== "number") return "is not a number";
	if (!Number.isFinite(value)) return "is not finite";
	if (value < 0) return "is negative";
	if (!Number.isInteger(value)) return "is fractional";
	if (value > MAX_TOKENS_PER_FIELD) return `is above ${MAX_TOKENS_PER_FIELD}`;
	return undefined;
}
