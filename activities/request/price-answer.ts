import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { PriceBook, PriceLine } from "#domain/pricing/price-book.ts";
import { priceTierOf } from "#domain/pricing/price-tier.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import type { ReportedUsage } from "#domain/usage/usage.ts";

/** What an answer costs: by the line and tier it names, in the book version frozen at the reservation (money-path §2). */
export type PricedAnswer = {
	readonly costNanoUsd: NanoUsd;
	readonly pricedModel: string;
	readonly pricedTier: string | null;
	/** Set when the answer names something the book does not know and the dearest known price was taken. */
	readonly alert: string | undefined;
	/** True when part of the usage has no price at all: the cost is a lower bound and must not be settled. */
	readonly isIncomplete: boolean;
};

type Usable = Extract<ReportedUsage, { kind: "usable" }>;

export function priceAnswer(reported: Usable, reserved: { readonly line: PriceLine }, book: PriceBook): PricedAnswer {
	const { line } = reserved;
	const answered = reported.model === undefined ? line : book.find(line.provider, reported.model);
	const tier = priceTierOf(line.protocol, reported.serviceTier);
	if (answered && tier !== undefined) return priced(reported, answered, priceUsage(reported.usage, answered, tier), undefined);
	// Nothing in the book matches: the dearest price reserved for is the honest upper reading.
	const alert = answered ? "answered service tier is not in the price book" : "answered model is not in the price book";
	return priced(reported, line, priceUsage(reported.usage, line, undefined), alert);
}

function priced(reported: Usable, line: PriceLine, result: ReturnType<typeof priceUsage>, alert: string | undefined): PricedAnswer {
	const isIncomplete = result.unpricedTools.length > 0;
	return {
		costNanoUsd: result.costNanoUsd,
		pricedModel: reported.model ?? line.model,
		pricedTier: reported.serviceTier ?? null,
		alert: isIncomplete ? `no price for hosted tools: ${result.unpricedTools.join(", ")}` : alert,
		isIncomplete,
	};
}
