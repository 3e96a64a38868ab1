import type { Amounts } from "#domain/budget/lease-book.ts";

/** What a call takes, nothing where it is not said. */
export function amounts(of: Partial<Amounts> = {}): Amounts {
	return { nanoUsd: 0n, tokens: 0n, outputTokens: 0n, steps: 0n, ...of };
}
