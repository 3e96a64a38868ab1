import { divideRoundingUp } from "../money/nano-usd.ts";
import type { ContextTier, PriceLine, PriceTier, TokenPrices } from "./price-book.ts";

export type PriceOptions = {
	/** Tiers an unknown one may have been; default: all the line prices. */
	readonly reachableTiers?: readonly PriceTier[];
	/** What the geography does to every token price, in thousandths; default 1,000: the list price. */
	readonly tokenPermille?: number;
};

/**
 * Chooses the prices of a request: service tier first, then the context tier by its total input
 * tokens (cache reads and writes included), which holds for the whole request, output too.
 * A tier that is undefined (the provider named one we do not know) or that the line does not
 * price is answered with the dearest reachable price of every class: never the cheap guess.
 */
export function selectPrices(line: PriceLine, tier: PriceTier | undefined, inputTokens: number, options: PriceOptions = {}): TokenPrices {
	const { reachableTiers, tokenPermille = LIST_PRICE_PERMILLE } = options;
	const contexts = tier === undefined ? undefined : line.tiers[tier];
	const prices = contexts ? pricesAt(contexts, inputTokens) : dearestPrices(line, inputTokens, reachableTiers);
	return tokenPermille === LIST_PRICE_PERMILLE ? prices : mapPrices((name) => scalePrice(prices[name], tokenPermille));
}

export const LIST_PRICE_PERMILLE = 1_000;

/** A price per million units after a multiplier: a whole number again, rounded up. */
export function scalePrice(price: bigint, permille: number): bigint {
	return divideRoundingUp(price * BigInt(permille), 1_000n);
}

/**
 * Per token class, the dearest price at this input length over the given service tiers (default: all the line prices); standard where it
 * has none of them.
 */
export function dearestPrices(line: PriceLine, inputTokens: number, tiers: readonly PriceTier[] = pricedTiers(line)): TokenPrices {
	const priced = tiers.map((tier) => line.tiers[tier]).filter((contexts) => contexts !== undefined);
	const [first = line.tiers.standard, ...others] = priced;
	return others.map((contexts) => pricesAt(contexts, inputTokens)).reduce(dearerOf, pricesAt(first, inputTokens));
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
	return mapPrices((name) => (left[name] > right[name] ? left[name] : right[name]));
}

function mapPrices(price: (name: keyof TokenPrices) => bigint): TokenPrices {
	return {
		input: price("input"),
		cachedInput: price("cachedInput"),
		cacheWrite5m: price("cacheWrite5m"),
		cacheWrite1h: price("cacheWrite1h"),
		output: price("output"),
		reasoning: price("reasoning"),
	};
}
