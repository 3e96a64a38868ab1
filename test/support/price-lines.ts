import type { PriceLine, TokenPrices } from "#domain/pricing/price-book.ts";

/** Prices that share no factor, so that a mixed-up class shows in the sum. */
export const STANDARD: TokenPrices = {
	input: 2_500_000_000n,
	cachedInput: 1_250_000_000n,
	cacheWrite5m: 3_125_000_000n,
	cacheWrite1h: 5_000_000_000n,
	output: 10_000_000_000n,
	reasoning: 11_000_000_000n,
};
export const LONG: TokenPrices = {
	input: 5_000_000_000n,
	cachedInput: 2_500_000_000n,
	cacheWrite5m: 6_250_000_000n,
	cacheWrite1h: 10_000_000_000n,
	output: 15_000_000_000n,
	reasoning: 16_500_000_000n,
};
export const PRIORITY: TokenPrices = {
	input: 4_250_000_000n,
	cachedInput: 2_125_000_000n,
	cacheWrite5m: 5_312_500_000n,
	cacheWrite1h: 8_500_000_000n,
	output: 17_000_000_000n,
	reasoning: 17_000_000_000n,
};

export const LINE: PriceLine = {
	provider: "openai",
	model: "model-a",
	aliases: ["model-a-2026-01-01"],
	kind: "chat",
	protocol: "openai",
	tiers: {
		standard: [
			{ aboveInputTokens: 0, prices: STANDARD },
			{ aboveInputTokens: 272_000, prices: LONG },
		],
		priority: [{ aboveInputTokens: 0, prices: PRIORITY }],
	},
	perCall: { web_search: 10_000_000n, web_fetch: 0n },
	contextWindowTokens: 1_000_000,
	maxOutputTokens: 128_000,
	maxTokensPerImage: undefined,
	imageWindowPermille: undefined,
	maxTokensPerAudioSecond: undefined,
	hiddenTokensPerRequest: 64,
	hiddenTokensPerMessage: 8,
	outputCapField: "max_completion_tokens",
	isReasoning: false,
	encoding: "o200k_base",
};
