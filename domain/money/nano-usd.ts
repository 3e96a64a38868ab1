/**
 * Money is a whole number of nano-dollars (1 USD = 1,000,000,000) in a bigint.
 * Nothing in a money path is ever a float: a double loses whole nano-dollars
 * above about nine million dollars, and 0.1 + 0.2 is not 0.3.
 */
export type NanoUsd = bigint & { readonly __unit?: "nano-usd" };

export const NANO_USD_PER_USD = 1_000_000_000n;

/** Largest amount any single row may carry (10^15 nano-USD = 1,000,000 USD), money-path §7. */
export const MAX_ATTEMPT_NANO_USD: NanoUsd = 1_000_000_000_000_000n;

/** Ceiling of a budget limit: 10^18 nano-USD = one billion USD, inside a PostgreSQL bigint. */
export const MAX_LIMIT_NANO_USD: NanoUsd = 1_000_000_000_000_000_000n;

/** `ceil(numerator / denominator)` for non-negative numerators and positive denominators. */
export function divideRoundingUp(numerator: bigint, denominator: bigint): bigint {
	return (numerator + denominator - 1n) / denominator;
}
