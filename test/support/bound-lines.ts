import type { PriceLine, Protocol } from "#domain/pricing/price-book.ts";

type Rates = { readonly provider: string; readonly model: string; readonly protocol: Protocol; readonly inputNanoUsd: bigint; readonly outputNanoUsd: bigint };

/** A chat line with one tier, no fees, a window of 128,000 tokens and 12 hidden tokens for one message; rates in nano-USD per million tokens. */
export function boundLine(rates: Rates, changes: Partial<PriceLine> = {}): PriceLine {
	const { inputNanoUsd: input, outputNanoUsd: output } = rates;
	const prices = { input, cachedInput: input / 10n, cacheWrite5m: input, cacheWrite1h: input, output, reasoning: output };
	return {
		provider: rates.provider,
		model: rates.model,
		aliases: [],
		kind: "chat",
		protocol: rates.protocol,
		tiers: { standard: [{ aboveInputTokens: 0, prices }] },
		perCall: {},
		contextWindowTokens: 128_000,
		maxOutputTokens: 16_384,
		maxTokensPerImage: 2_000,
		imageWindowPermille: undefined,
		maxTokensPerAudioSecond: undefined,
		hiddenTokensPerRequest: 8,
		hiddenTokensPerMessage: 4,
		outputCapField: rates.protocol === "openai" ? "max_completion_tokens" : "max_tokens",
		isReasoning: false,
		encoding: undefined,
		...changes,
	};
}
