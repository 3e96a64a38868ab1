import type { AnswerContext } from "../answer.ts";
import type { Generation } from "../generation.ts";
import type { Prompt } from "../prompt.ts";
import { countsCacheWrites } from "./request.ts";

/** What an OpenAI usage object is made of; input includes cache reads and writes, output includes reasoning. */
export type TokenCounts = {
	readonly inputTokens: number;
	readonly cachedTokens: number;
	/** undefined on models that do not count cache writes. */
	readonly cacheWriteTokens: number | undefined;
	readonly outputTokens: number;
	readonly reasoningTokens: number;
};

export function countTokens(model: string, prompt: Prompt, generations: readonly Generation[], context: AnswerContext): TokenCounts {
	const { directive } = context;
	const inputTokens = directive.inputTokens ?? prompt.inputTokens;
	const automatic = context.cache.useAutomatic(model, prompt.texts.join("\n"));
	const cachedTokens = Math.min(inputTokens, directive.cachedTokens ?? automatic.readTokens);
	const writtenTokens = directive.cacheWriteTokens ?? (countsCacheWrites(model) ? automatic.writtenTokens : undefined);
	return {
		inputTokens,
		cachedTokens,
		cacheWriteTokens: writtenTokens === undefined ? undefined : Math.min(inputTokens - cachedTokens, writtenTokens),
		outputTokens: sum(generations.map((generation) => generation.outputTokens)),
		reasoningTokens: sum(generations.map((generation) => generation.reasoningTokens)),
	};
}

/** The counts when generation stopped early: reasoning comes first. */
export function countsAfter(counts: TokenCounts, outputTokens: number): TokenCounts {
	if (outputTokens >= counts.outputTokens) return counts;
	return { ...counts, outputTokens, reasoningTokens: Math.min(counts.reasoningTokens, outputTokens) };
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
