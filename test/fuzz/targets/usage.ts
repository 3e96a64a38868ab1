import fc from "fast-check";
import { readAnswer } from "#activities/providers/reported-usage.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import type { ReportedUsage } from "#domain/usage/usage.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { answer } from "../answers.ts";
import { mutated, toBytes } from "../bytes.ts";
import { holds, pureTarget } from "../target.ts";

const ENDPOINTS = ["chat.completions", "responses", "embeddings", "messages", "count_tokens"] as const;
const [LINE] = testPriceBook().lines;
const MOST_TOKENS = 2 ** 31;

/** Whatever a body says: a reason, or counts that can be priced. */
export const usageOfBodies = pureTarget({
	name: "usage",
	cases: fc.record({
		endpoint: fc.constantFrom(...ENDPOINTS),
		body: mutated(answer.map((value) => JSON.stringify(value))),
		// Larger embeddings are not parsed whole.
		isLarge: fc.boolean(),
	}),
	check({ endpoint, body, isLarge }) {
		const padding = isLarge && endpoint === "embeddings" ? `{"data":[${"0,".repeat(40_000)}0],` : "";
		const text = padding === "" ? body : padding + body.replace(/^\{/, "");
		const { reported, answerId, itemIds } = readAnswer(endpoint, toBytes(text));
		checkReported(reported);
		for (const id of [answerId ?? [], itemIds].flat()) holds(id.length >= 1 && id.length <= 128, "an id the ledger can hold", id);
	},
});

/** Counts are whole, between 0 and 2³¹, no part above its whole, and cost nothing below zero. */
export function checkReported(reported: ReportedUsage): void {
	if (reported.kind === "unusable") {
		holds(reported.reason !== "", "unusable usage says why");
		return;
	}
	const { usage } = reported;
	const { toolCalls, ...tokens } = usage;
	for (const [field, value] of [...Object.entries(tokens), ...Object.entries(toolCalls ?? {})])
		holds(Number.isInteger(value) && value >= 0 && value <= MOST_TOKENS, `${field} is a whole number between 0 and 2^31`, value);
	holds(usage.cachedInputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens <= usage.inputTokens, "parts of the input are no more than it", usage);
	holds(usage.reasoningTokens <= usage.outputTokens, "reasoning is no more than the output", usage);
	if (LINE === undefined) throw new Error("the test book has no line");
	holds(priceUsage({ ...usage, toolCalls: {} }, LINE, "standard").costNanoUsd >= 0n, "no usage gives money back", usage);
}
