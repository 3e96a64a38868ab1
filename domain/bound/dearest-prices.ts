import type { NanoUsdPerMillion, PriceLine, PriceTier, TokenPrices } from "../pricing/price-book.ts";
import { LIST_PRICE_PERMILLE, pricedTiers, scalePrice } from "../pricing/select-prices.ts";
import type { PriceReach } from "./request.ts";
import type { RequestFacts } from "./request-facts.ts";

export type DearestPrices = { readonly input: NanoUsdPerMillion; readonly output: NanoUsdPerMillion };

/**
 * Dearest price an input and an output token can reach: over the price tiers the request or the
 * project's default can be billed at, and over the context tiers an input of at most `inputTokens`
 * can fall in. Taking each maximum alone keeps the bound linear and never below any single tier.
 */
export function dearestPrices(facts: RequestFacts, line: PriceLine, { inputTokens, reach }: { inputTokens: number; reach: PriceReach }): DearestPrices {
	let input = 0n;
	let output = 0n;
	for (const tier of reach.tiers) {
		for (const { aboveInputTokens, prices } of line.tiers[tier] ?? []) {
			if (!facts.isDearest && aboveInputTokens !== 0 && aboveInputTokens >= inputTokens) continue;
			input = maximum(input, dearestInput(facts, prices));
			output = maximum(output, maximum(prices.output, prices.reasoning));
		}
	}
	if (reach.tokenPermille === LIST_PRICE_PERMILLE) return { input, output };
	return { input: scalePrice(input, reach.tokenPermille), output: scalePrice(output, reach.tokenPermille) };
}

/** The first tier, asked for or the project's default, that the line has no price for: an answer at it could not be bounded. */
export function findUnpricedTier(
	facts: RequestFacts,
	line: PriceLine,
	defaultTiers: readonly PriceTier[],
): { readonly field: string; readonly tier: PriceTier; readonly isDefault: boolean } | undefined {
	const asked = facts.askedTiers.find(({ tier }) => tier !== "project" && line.tiers[tier] === undefined);
	if (asked !== undefined && asked.tier !== "project") return { field: asked.field, tier: asked.tier, isDefault: false };
	const leftToProject = facts.askedTiers.length === 0 ? DEFAULT_TIER_FIELD : facts.askedTiers.find(({ tier }) => tier === "project")?.field;
	const unpriced = leftToProject === undefined ? undefined : defaultTiers.find((tier) => line.tiers[tier] === undefined);
	return unpriced === undefined ? undefined : { field: leftToProject ?? DEFAULT_TIER_FIELD, tier: unpriced, isDefault: true };
}

/**
 * Whether the line says what an input costs in the window a beta unlocks: a window of its own that is as large, or in
 * every reachable tier a price above its own window. Where it has neither, nobody has looked at such inputs.
 */
export function pricesUnlockedWindow(facts: RequestFacts, line: PriceLine, tiers: readonly PriceTier[]): boolean {
	if (facts.unlockedWindowTokens === 0) return true;
	const own = line.contextWindowTokens;
	if (own === undefined) return false;
	return own >= facts.unlockedWindowTokens || tiers.every((tier) => line.tiers[tier]?.some(({ aboveInputTokens }) => aboveInputTokens >= own));
}

/** Where a caller says that he does not want the project's default, on both protocols. */
const DEFAULT_TIER_FIELD = "service_tier";

/** Price tiers the request, or the project's default, can be billed at. */
export function reachablePriceTiers(facts: RequestFacts, line: PriceLine, defaultTiers: readonly PriceTier[]): readonly PriceTier[] {
	if (facts.isDearest) return pricedTiers(line);
	if (facts.askedTiers.length === 0) return withStandard(defaultTiers);
	return standardAnd(facts.askedTiers.flatMap(({ tier }) => (tier === "project" ? defaultTiers : [tier])));
}

export const STANDARD_ONLY: readonly PriceTier[] = ["standard"];

/** By the list of a deployment: most calls ask for no tier, and there are as many lists as deployments. */
const WITH_STANDARD = new WeakMap<readonly PriceTier[], readonly PriceTier[]>([[STANDARD_ONLY, STANDARD_ONLY]]);

function withStandard(defaultTiers: readonly PriceTier[]): readonly PriceTier[] {
	const known = WITH_STANDARD.get(defaultTiers);
	if (known !== undefined) return known;
	const tiers = standardAnd(defaultTiers);
	WITH_STANDARD.set(defaultTiers, tiers);
	return tiers;
}

/** Any tier can be answered by the standard one. */
function standardAnd(tiers: readonly PriceTier[]): readonly PriceTier[] {
	return [...new Set<PriceTier>(["standard", ...tiers])];
}

function dearestInput(facts: RequestFacts, prices: TokenPrices): NanoUsdPerMillion {
	let dearest = maximum(prices.input, prices.cachedInput);
	if (facts.cacheWrites !== "none" || facts.isDearest) dearest = maximum(dearest, prices.cacheWrite5m);
	if (facts.cacheWrites === "long" || facts.isDearest) dearest = maximum(dearest, prices.cacheWrite1h);
	return dearest;
}

function maximum(left: bigint, right: bigint): bigint {
	return left > right ? left : right;
}
