import { describe, expect, it } from "vitest";
import { MAX_TOKENS_PER_FIELD, NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { findCountProblem, findUsageProblem } from "#domain/usage/validate-usage.ts";

describe("usage that may be priced", () => {
	it.each<[string, Partial<Usage>]>([
		["nothing", {}],
		[
			"parts that fill their wholes",
			{ inputTokens: 6, cachedInputTokens: 1, cacheWrite5mTokens: 2, cacheWrite1hTokens: 3, outputTokens: 4, reasoningTokens: 4 },
		],
		["the largest count", { inputTokens: MAX_TOKENS_PER_FIELD }],
		["hosted calls", { toolCalls: { web_search: 0, file_search: 3 } }],
	])("is %s", (_name, usage) => {
		expect(findUsageProblem({ ...NO_USAGE, ...usage })).toBeUndefined();
	});

	it.each<[string, Partial<Usage>, RegExp]>([
		["a negative count", { inputTokens: -1 }, /^inputTokens is negative/],
		["a count above the largest", { outputTokens: MAX_TOKENS_PER_FIELD + 1 }, /^outputTokens is above/],
		["input parts above input", { inputTokens: 2, cachedInputTokens: 1, cacheWrite5mTokens: 1, cacheWrite1hTokens: 1 }, /^inputTokens is smaller/],
		["reasoning above output", { outputTokens: 1, reasoningTokens: 2 }, /^outputTokens is smaller/],
		["a fractional number of calls", { toolCalls: { web_search: 0.5 } }, /^toolCalls.web_search is fractional/],
	])("is not %s", (_name, usage, reason) => {
		expect(findUsageProblem({ ...NO_USAGE, ...usage })).toMatch(reason);
	});

	it.each<[unknown, string | undefined]>([
		[0, undefined],
		[undefined, "is missing"],
		[null, "is missing"],
		["1", "is not a number"],
		[1n, "is not a number"],
		[Number.NaN, "is not finite"],
		[Number.NEGATIVE_INFINITY, "is not finite"],
	])("judges the count %s", (value, problem) => {
		expect(findCountProblem(value)).toBe(problem);
	});
});
