import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceBook, PriceLine, Protocol } from "#domain/pricing/price-book.ts";

type LineOptions = {
	readonly provider: string;
	readonly model: string;
	readonly protocol: Protocol;
	readonly inputNanoUsdPerMillion: bigint;
	readonly outputNanoUsdPerMillion: bigint;
};

function gatewayPriceLine(options: LineOptions, changes: Partial<PriceLine> = {}): PriceLine {
	const input = options.inputNanoUsdPerMillion;
	const output = options.outputNanoUsdPerMillion;
	return {
		provider: options.provider,
		model: options.model,
		aliases: [],
		kind: "chat",
		protocol: options.protocol,
		tiers: {
			standard: [{ aboveInputTokens: 0, prices: { input, cachedInput: input / 10n, cacheWrite5m: input, cacheWrite1h: input, output, reasoning: output } }],
		},
		perCall: {},
		contextWindowTokens: 128_000,
		maxOutputTokens: 16_384,
		maxTokensPerImage: 2_000,
		imageWindowPermille: undefined,
		maxTokensPerAudioSecond: undefined,
		hiddenTokensPerRequest: 8,
		hiddenTokensPerMessage: 4,
		outputCapField: options.protocol === "openai" ? "max_completion_tokens" : "max_tokens",
		isReasoning: false,
		encoding: undefined,
		...changes,
	};
}

/** gpt-4o (2.50 / 10.00 USD per million tokens), an embeddings model and a Claude model, as version 7. */
export function testPriceBook(): PriceBook {
	const openai = { provider: "openai", protocol: "openai", inputNanoUsdPerMillion: 2_500_000_000n, outputNanoUsdPerMillion: 10_000_000_000n } as const;
	return makePriceBook(7, [
		gatewayPriceLine({ ...openai, model: "gpt-4o" }, { aliases: ["gpt-4o-2024-08-06"] }),
		gatewayPriceLine({ ...openai, model: "text-embedding-3-small" }, { kind: "embeddings", outputCapField: undefined }),
		gatewayPriceLine({
			provider: "anthropic",
			protocol: "anthropic",
			model: "claude-sonnet-5-5",
			inputNanoUsdPerMillion: 3_000_000_000n,
			outputNanoUsdPerMillion: 15_000_000_000n,
		}),
	]);
}
