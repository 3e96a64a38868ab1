import type { NanoUsd } from "../money/nano-usd.ts";

/**
 * The price book is data: it is loaded into PostgreSQL, versioned and effective-dated, and
 * handed to these types. Never import a book into workflow code (it would be baked into the bundle).
 * Every price is an integer: nano-USD per million units, after all multipliers.
 */
export type NanoUsdPerMillion = bigint;

export type Protocol = "openai" | "anthropic";

/** Service tiers that change the price. `standard` always exists. */
export type PriceTier = "standard" | "batch" | "flex" | "priority";

export type TokenPrices = {
	readonly input: NanoUsdPerMillion;
	readonly cachedInput: NanoUsdPerMillion;
	readonly cacheWrite5m: NanoUsdPerMillion;
	readonly cacheWrite1h: NanoUsdPerMillion;
	readonly output: NanoUsdPerMillion;
	/** Reasoning tokens are part of output; this is their price (equal to `output` where the book names none). */
	readonly reasoning: NanoUsdPerMillion;
};

/** Prices that hold for the whole request when its total input tokens are above `aboveInputTokens` (0 for the base tier). */
export type ContextTier = { readonly aboveInputTokens: number; readonly prices: TokenPrices };

export type PriceLine = {
	readonly provider: string;
	/** Exact model id the line prices. */
	readonly model: string;
	/** Other exact ids that mean this line: aliases and dated snapshots. Never prefixes. */
	readonly aliases: readonly string[];
	readonly kind: "chat" | "embeddings";
	readonly protocol: Protocol;
	/** Per price tier, context tiers ascending; `standard` is always present. */
	readonly tiers: Readonly<Partial<Record<PriceTier, readonly ContextTier[]>>> & { readonly standard: readonly ContextTier[] };
	/** Fee per hosted tool call, by tool name, in nano-USD. */
	readonly perCall: Readonly<Record<string, NanoUsd>>;
	/** Facts the bound needs (money-path §2). undefined = unknown. */
	readonly contextWindowTokens: number | undefined;
	readonly maxOutputTokens: number | undefined;
	readonly maxTokensPerImage: number | undefined;
	/** Billed tokens, in thousandths, of a token that an image takes up in the context window: 1,000 where both are the same. */
	readonly imageWindowPermille: number | undefined;
	readonly maxTokensPerAudioSecond: number | undefined;
	/** Tokens the provider adds that the bytes do not show, per request and per message. */
	readonly hiddenTokensPerRequest: number;
	readonly hiddenTokensPerMessage: number;
	/** Body field that caps output on this model; undefined where no cap can be enforced (no clamp there). */
	readonly outputCapField: "max_tokens" | "max_completion_tokens" | "max_output_tokens" | undefined;
	readonly isReasoning: boolean;
	/** Tokenizer encoding where it is known exactly (gpt-tokenizer names), else undefined: bytes are the bound. */
	readonly encoding: "o200k_base" | "cl100k_base" | undefined;
};

/** One consistent version of the book. `version` is frozen into every reservation. */
export type PriceBook = {
	readonly version: number;
	/** When it was read, on PostgreSQL's clock (epoch milliseconds): dated prices up to then are in it. Frozen into every reservation too. */
	readonly asOfMs: number;
	/** Lookup by exact id or alias; undefined means unpriced, which is refused for everyone. */
	find(provider: string, model: string): PriceLine | undefined;
	readonly lines: readonly PriceLine[];
};
