import type { ContextTier, PriceLine, PriceTier, TokenPrices } from "./price-book.ts";

/**
 * Chooses the prices of a request: service tier first, then the context tier by its total input
 * tokens (cache reads and writes included), which holds for the whole request, output too.
 * A tier that is undefined (the provider named one we do not know) or that the line does not
 * price is answered with the dearest known price of every class: never the cheap guess.
 */
export function selectPrices(line: PriceLine, tier: PriceTier | undefined, inputTokens: number): TokenPrices {
	const contexts = tier === undefined ? undefined : line.tiers[tier];
	return contexts ? pricesAt(contexts, inputTokens) : dearestPrices(line, inputTokens);
}

/** Per token class, the dearest price at this input length over the given service tiers (default: all the line prices). */
export function dearestPrices(line: PriceLine, inputTokens: number, tiers: readonly PriceTier[] = pricedTiers(line)): TokenPrices {
	return tiers
		.map((tier) => line.tiers[tier])
		.filter((contexts) => contexts !== undefined)
		.map((contexts) => pricesAt(contexts, inputTokens))
		.reduce(dearerOf, pricesAt(line.tiers.standard, inputTokens));
}

/** Service tiers the line has a price for; `standard` is always among them. */
export function pricedTiers(line: PriceLine): readonly PriceTier[] {
	return Object.keys(line.tiers) as PriceTier[];
}

function pricesAt(contexts: readonly ContextTier[], inputTokens: number): TokenPrices {
	for (let index = contexts.length - 1; index > 0; index -= 1) {
		const context = contexts[index];
		if (context && inputTokens > context.aboveInputTokens) return context.prices;
	}
	const base = contexts[0];
	if (!base) throw new RangeError("a price tier without a single context tier");
	return base.prices;
}

function dearerOf(left: TokenPrices, right: TokenPrices): TokenPrices {
	const dearer = (name: keyof TokenPrices): bigint => (left[name] > right[name] ? left[name] : right[name]);
	return {
		input: dearer("input"),
		cachedInput: dearer("cachedInput"),
		cacheWrite5m: dearer("cacheWrite5m"),
		cacheWrite1h: dearer("cacheWrite1h"),
		output: dearer("output"),
		reasoning: dearer("reasoning"),
	};
}
