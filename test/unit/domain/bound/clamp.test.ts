import { describe, expect, it } from "vitest";
import { anthropic, bound, chat, message, openai } from "#test/support/bound-cases.ts";

describe("clamp", () => {
	it("has the policy's floor only where the caller set no cap", () => {
		expect(bound({ body: chat() }).clampFloorTokens).toBe(256);
		expect(bound({ body: chat(), line: openai({ isReasoning: true }) }).clampFloorTokens).toBe(4_096);
		expect(bound({ body: chat(), line: openai({ maxOutputTokens: 100 }) }).clampFloorTokens).toBe(100);
		expect(bound({ body: chat({ max_tokens: 500 }) }).clampFloorTokens).toBeUndefined();
		expect(bound({ body: chat({ max_tokens: 500 }), options: { mayLowerCallerCap: true } }).clampFloorTokens).toBe(256);
		expect(
			bound({
				endpoint: "messages",
				body: message({ max_tokens: 9_000, thinking: { type: "enabled", budget_tokens: 4_000 } }),
				line: anthropic(),
				options: { mayLowerCallerCap: true },
			}).clampFloorTokens,
		).toBe(1_025);
	});

	it("finds the highest cap that fits money and tokens, or none", () => {
		const result = bound({ body: chat() });
		const at = (tokens: number): bigint => result.at(tokens).nanoUsd;
		expect(result.clampTo({ nanoUsd: undefined, tokens: undefined })).toBe(16_384);
		expect(result.clampTo({ nanoUsd: at(777), tokens: undefined })).toBe(777);
		expect(result.clampTo({ nanoUsd: at(777) - 1n, tokens: undefined })).toBe(776);
		expect(result.clampTo({ nanoUsd: at(777), tokens: result.inputTokens + 300 })).toBe(300);
		expect(result.clampTo({ nanoUsd: at(256), tokens: undefined })).toBe(256);
		expect(result.clampTo({ nanoUsd: at(256) - 1n, tokens: undefined })).toBeUndefined();
		expect(result.clampTo({ nanoUsd: -1n, tokens: undefined })).toBeUndefined();
	});

	it("fits the output tokens that are left, over all choices together", () => {
		const left = (outputTokens: number) => ({ nanoUsd: undefined, tokens: undefined, outputTokens });
		expect(bound({ body: chat() }).clampTo(left(777))).toBe(777);
		expect(bound({ body: chat() }).clampTo(left(255))).toBeUndefined();
		expect(bound({ body: chat({ n: 2 }) }).clampTo(left(777))).toBe(388);
		const predicted = bound({ body: chat({ prediction: { type: "content", content: "four" } }) });
		const cap = predicted.clampTo(left(777)) ?? expect.fail("a clamp");
		expect(predicted.at(cap).tokens - predicted.inputTokens).toBe(777);
	});

	it("offers all or nothing where there is no clamp", () => {
		const result = bound({ body: chat({ max_tokens: 500 }) });
		expect(result.clampTo({ nanoUsd: result.nanoUsd, tokens: undefined })).toBe(500);
		expect(result.clampTo({ nanoUsd: result.nanoUsd - 1n, tokens: undefined })).toBeUndefined();
	});
});
