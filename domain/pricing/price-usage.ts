import { assert } from "../assert.ts";
import { divideRoundingUp, type NanoUsd } from "../money/nano-usd.ts";
import type { Usage } from "../usage/usage.ts";
import { findUsageProblem } from "../usage/validate-usage.ts";
import type { NanoUsdPerMillion, PriceLine, PriceTier, TokenPrices } from "./price-book.ts";
import { type PriceOptions, selectPrices } from "./select-prices.ts";

/**
 * usage × price = cost. One token at p nano-USD per million costs exactly p femto-USD (10⁻¹⁵ USD),
 * so the whole sum is a whole number of femto-USD and is rounded up once, at the end, to nano-USD.
 * Rounding per class or per token would charge up to one nano-dollar more for each of them.
 */
const FEMTO_USD_PER_NANO_USD = 1_000_000n;

export type TokenClass = keyof TokenPrices;

/** One addend of a cost. `femtoUsd` is exact; only the sum is rounded. */
export type CostLine =
	| {
			readonly kind: "tokens";
			readonly tokenClass: TokenClass;
			readonly quantity: number;
			readonly nanoUsdPerMillion: NanoUsdPerMillion;
			readonly femtoUsd: bigint;
	  }
	| { readonly kind: "calls"; readonly tool: string; readonly quantity: number; readonly nanoUsdPerCall: NanoUsd; readonly femtoUsd: bigint };

export type PricedUsage = {
	readonly costNanoUsd: NanoUsd;
	/** Addends with a quantity above zero, in a fixed order. */
	readonly lines: readonly CostLine[];
	/** Hosted tools that were called and have no fee in the book: `costNanoUsd` is then too low and must not be settled. */
	readonly unpricedTools: readonly string[];
};

/**
 * Prices usage with one line of the book. `tier` undefined (unknown) or not priced by the line means the dearest reachable.
 * @throws InvariantViolation when the usage breaks `findUsageProblem`: callers check what providers send.
 */
export function priceUsage(usage: Usage, line: PriceLine, tier: PriceTier | undefined, options?: PriceOptions): PricedUsage {
	const problem = findUsageProblem(usage);
	assert(problem === undefined, `usage that cannot be priced: ${problem}`);
	const prices = selectPrices(line, tier, usage.inputTokens, options);
	const lines = tokenLines(usage, prices);
	const unpricedTools = usage.toolCalls ? addCallLines(lines, usage.toolCalls, line) : NONE;
	let femtoUsd = 0n;
	for (const addend of lines) femtoUsd += addend.femtoUsd;
	return { costNanoUsd: divideRoundingUp(femtoUsd, FEMTO_USD_PER_NANO_USD), lines, unpricedTools };
}

const NONE: readonly string[] = [];

function tokenLines(usage: Usage, prices: TokenPrices): CostLine[] {
	const lines: CostLine[] = [];
	const uncached = usage.inputTokens - usage.cachedInputTokens - usage.cacheWrite5mTokens - usage.cacheWrite1hTokens;
	addTokenLine(lines, "input", uncached, prices);
	addTokenLine(lines, "cachedInput", usage.cachedInputTokens, prices);
	addTokenLine(lines, "cacheWrite5m", usage.cacheWrite5mTokens, prices);
	addTokenLine(lines, "cacheWrite1h", usage.cacheWrite1hTokens, prices);
	addTokenLine(lines, "output", usage.outputTokens - usage.reasoningTokens, prices);
	addTokenLine(lines, "reasoning", usage.reasoningTokens, prices);
	return lines;
}

function addTokenLine(lines: CostLine[], tokenClass: TokenClass, quantity: number, prices: TokenPrices): void {
	if (quantity === 0) return;
	const nanoUsdPerMillion = prices[tokenClass];
	lines.push({ kind: "tokens", tokenClass, quantity, nanoUsdPerMillion, femtoUsd: BigInt(quantity) * nanoUsdPerMillion });
}

/** Returns the tools without a fee. */
function addCallLines(lines: CostLine[], toolCalls: Readonly<Record<string, number>>, line: PriceLine): string[] {
	const unpriced: string[] = [];
	for (const [tool, quantity] of Object.entries(toolCalls)) {
		if (quantity === 0) continue;
		const nanoUsdPerCall = feeOf(line, tool);
		if (nanoUsdPerCall === undefined) unpriced.push(tool);
		else lines.push({ kind: "calls", tool, quantity, nanoUsdPerCall, femtoUsd: BigInt(quantity) * nanoUsdPerCall * FEMTO_USD_PER_NANO_USD });
	}
	return unpriced;
}

/** Own keys only: a tool named "constructor" has no fee. */
function feeOf(line: PriceLine, tool: string): NanoUsd | undefined {
	return Object.hasOwn(line.perCall, tool) ? line.perCall[tool] : undefined;
}
