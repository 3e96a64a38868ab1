import { type BoundOptions, boundRequest } from "#domain/bound/bound-request.ts";
import type { InspectOptions } from "#domain/bound/inspect-request.ts";
import type { Bound, Endpoint, RequestProblem } from "#domain/bound/request.ts";
import type { PriceLine, TokenPrices } from "#domain/pricing/price-book.ts";
import { boundLine } from "./bound-lines.ts";
import { inspected } from "./inspect.ts";

/** Requests, prices to bound them with, and what comes of it. */
export const OPTIONS: BoundOptions = { clampFloorTokens: 256, clampFloorReasoningTokens: 4_096 };
export const USD = 1_000_000_000n;

export const prices = (input: bigint, output: bigint): TokenPrices => ({
	input,
	cachedInput: input / 10n,
	cacheWrite5m: (input * 5n) / 4n,
	cacheWrite1h: input * 2n,
	output,
	reasoning: output,
});
export const openai = (changes: Partial<PriceLine> = {}): PriceLine =>
	boundLine({ provider: "openai", model: "gpt-4o", protocol: "openai", inputNanoUsd: 2n * USD, outputNanoUsd: 10n * USD }, changes);
export const anthropic = (changes: Partial<PriceLine> = {}): PriceLine =>
	boundLine(
		{ provider: "anthropic", model: "claude", protocol: "anthropic", inputNanoUsd: 4n * USD, outputNanoUsd: 20n * USD },
		{ tiers: { standard: [{ aboveInputTokens: 0, prices: prices(4n * USD, 20n * USD) }] }, ...changes },
	);

export const hello = [{ role: "user", content: "hello" }];
export const chat = (more: object = {}): object => ({ model: "gpt-4o", messages: hello, ...more });
export const message = (more: object = {}): object => ({ model: "claude", max_tokens: 100, messages: hello, ...more });
export const bytes = (body: object): number => JSON.stringify(body).length;

export type Case = {
	readonly endpoint?: Endpoint;
	readonly body: object;
	readonly line?: PriceLine;
	readonly options?: Partial<BoundOptions>;
	readonly inspect?: InspectOptions;
};

export function run({ endpoint = "chat.completions", body, line = openai(), options, inspect }: Case): ReturnType<typeof boundRequest> {
	return boundRequest(inspected(endpoint, body, inspect), line, { ...OPTIONS, ...options });
}

export function bound(given: Case): Bound {
	const result = run(given);
	if (result.kind !== "bounded") throw new Error(`unbounded: ${result.problem.field} ${result.problem.message}`);
	return result.bound;
}

export function problem(given: Case): RequestProblem {
	const result = run(given);
	if (result.kind !== "unbounded") throw new Error("was bounded");
	return result.problem;
}
