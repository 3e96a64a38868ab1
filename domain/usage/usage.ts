/**
 * What one call consumed, in one normal form for every provider and stream shape.
 * Names and inclusion follow OpenTelemetry GenAI: `inputTokens` includes cache reads
 * and cache writes, `outputTokens` includes reasoning. Pricing subtracts, usage never does.
 */
export type Usage = {
	readonly inputTokens: number;
	readonly cachedInputTokens: number;
	readonly cacheWrite5mTokens: number;
	readonly cacheWrite1hTokens: number;
	readonly outputTokens: number;
	readonly reasoningTokens: number;
	/** Calls of provider-hosted tools that carry a per-call fee, e.g. `{ web_search: 2 }`. */
	readonly toolCalls?: Readonly<Record<string, number>>;
};

/**
 * Usage as read from an answer: `usable` with the tokens, the model and the tier the provider
 * named; or `unusable` with the reason (missing, negative, fractional, above 2^31, parts larger
 * than their whole), in which case the attempt is charged at its reservation.
 */
export type ReportedUsage =
	| {
			readonly kind: "usable";
			readonly usage: Usage;
			/** Model id exactly as the answer names it; undefined when it names none. */
			readonly model: string | undefined;
			/** Service tier as answered, lower case; undefined when it names none. */
			readonly serviceTier: string | undefined;
	  }
	| { readonly kind: "unusable"; readonly reason: string };

export const NO_USAGE: Usage = {
	inputTokens: 0,
	cachedInputTokens: 0,
	cacheWrite5mTokens: 0,
	cacheWrite1hTokens: 0,
	outputTokens: 0,
	reasoningTokens: 0,
};

/** Tokens above this are unusable usage (money-path §7). */
export const MAX_TOKENS_PER_FIELD = 2_147_483_647;
