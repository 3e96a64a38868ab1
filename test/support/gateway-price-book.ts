import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";
import { boundLine } from "./bound-lines.ts";

/** gpt-4o (2.50 / 10.00 USD per million tokens), an embeddings model and a Claude model, as version 7. */
export function testPriceBook(): PriceBook {
	const openai = { provider: "openai", protocol: "openai", inputNanoUsd: 2_500_000_000n, outputNanoUsd: 10_000_000_000n } as const;
	return makePriceBook(7, [
		boundLine({ ...openai, model: "gpt-4o" }, { aliases: ["gpt-4o-2024-08-06"] }),
		boundLine({ ...openai, model: "text-embedding-3-small" }, { kind: "embeddings", outputCapField: undefined }),
		boundLine({
			provider: "anthropic",
			protocol: "anthropic",
			model: "claude-sonnet-5-5",
			inputNanoUsd: 3_000_000_000n,
			outputNanoUsd: 15_000_000_000n,
		}),
	]);
}
