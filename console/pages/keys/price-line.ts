import type { PriceLineJson } from "#domain/pricing/line-codec.ts";
import type { operations } from "../../api/schema.ts";

/** A price line as the API gives it: canonical JSON of the price book. */
export type PriceLine = PriceLineJson;

/** The API describes them loosely; the price book wrote them. */
export function linesOf(lines: operations["listPrices"]["responses"][200]["content"]["application/json"]["lines"]): readonly PriceLine[] {
	return lines as unknown as readonly PriceLine[];
}

export type Rate = {
	readonly key: string;
	readonly tier: string;
	/** Calls with more input tokens than this pay these prices; 0: all. */
	readonly aboveInputTokens: number;
	readonly prices: Readonly<Record<string, string>>;
};

/** Every price of a line, the standard tier first. */
export function ratesOf({ tiers }: PriceLine): readonly Rate[] {
	return Object.entries(tiers).flatMap(([tier, contexts]) =>
		contexts.map(({ aboveInputTokens, prices }) => ({ key: `${tier} ${aboveInputTokens}`, tier, aboveInputTokens, prices })),
	);
}

/** Whether provider, model or an alias contains all words. */
export function matches({ provider, model, aliases }: PriceLine, find: string): boolean {
	const words = find.toLowerCase().split(/\s+/);
	const text = [provider, model, ...aliases].join(" ").toLowerCase();
	return words.every((word) => text.includes(word));
}

/** One addend of a cost. `nanoUsd` is exact, with up to six decimals; only the total is rounded. */
export type Addend =
	| { readonly tokenClass: string; readonly quantity: number; readonly nanoUsdPerMillion: string; readonly nanoUsd: string }
	| { readonly tool: string; readonly quantity: number; readonly nanoUsdPerCall: string; readonly nanoUsd: string };

/** The API describes them loosely; pricing wrote them. */
export function addendsOf(lines: readonly Readonly<Record<string, unknown>>[]): readonly Addend[] {
	return lines as unknown as readonly Addend[];
}
