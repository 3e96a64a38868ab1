import type { PriceReach } from "../bound/request.ts";
import type { NanoUsd } from "../money/nano-usd.ts";
import type { ReportedUsage } from "../usage/usage.ts";
import type { PriceBook, PriceLine, PriceTier } from "./price-book.ts";
import { geographyPermilleOf, priceTierOf } from "./price-tier.ts";
import { type CostLine, priceUsage } from "./price-usage.ts";

/**
 * What an answer costs: by the line and tier it names, in the book version frozen at the reservation, else by the
 * dearest tier that was reserved for (money-path §2).
 */
export type PricedAnswer = {
	readonly costNanoUsd: NanoUsd;
	/** How the cost was made: the line of the book, its tier (undefined: the dearest reserved of each class), the addends. */
	readonly line: PriceLine;
	readonly tier: PriceTier | undefined;
	readonly addends: readonly CostLine[];
	/** Set when the answer names something the book does not know and the dearest reserved price was taken. */
	readonly alert: string | undefined;
	/** True when part of the usage has no price at all: the cost is a lower bound and must not be settled. */
	readonly isIncomplete: boolean;
};

/** What the call was reserved for; `deployment` (`<provider>/<model sent>`) because an answer may repeat a name that only the deployment knows. */
export type ReservedPrice = { readonly line: PriceLine; readonly reach: Pick<PriceReach, "tiers">; readonly deployment: string };

type Usable = Extract<ReportedUsage, { kind: "usable" }>;

export function priceAnswer(reported: Usable, reserved: ReservedPrice, book: PriceBook): PricedAnswer {
	const { line, reach } = reserved;
	const answered = lineOf(reported.model, reserved, book);
	const tier = priceTierOf(line.protocol, reported.serviceTier);
	const tokenPermille = geographyPermilleOf(reported.serviceTier);
	if (answered && tier !== undefined && answered.tiers[tier]) {
		const { costNanoUsd, lines, unpricedTools } = priceUsage(reported.usage, answered, tier, { tokenPermille });
		return { costNanoUsd, line: answered, tier, addends: lines, ...toldAbout(unpricedTools, undefined) };
	}
	const { costNanoUsd, lines, unpricedTools } = priceUsage(reported.usage, line, undefined, { reachableTiers: reach.tiers, tokenPermille });
	const alert = answered ? "answered service tier is not in the price book" : "answered model is not in the price book";
	return { costNanoUsd, line, tier: undefined, addends: lines, ...toldAbout(unpricedTools, alert) };
}

function lineOf(model: string | undefined, { line, deployment }: ReservedPrice, book: PriceBook): PriceLine | undefined {
	if (model === undefined) return line;
	return book.find(line.provider, model) ?? (deployment.endsWith(`/${model}`) ? line : undefined);
}

function toldAbout(unpricedTools: readonly string[], alert: string | undefined): Pick<PricedAnswer, "alert" | "isIncomplete"> {
	if (unpricedTools.length === 0) return { alert, isIncomplete: false };
	return { alert: `no price for hosted tools: ${unpricedTools.join(", ")}`, isIncomplete: true };
}
