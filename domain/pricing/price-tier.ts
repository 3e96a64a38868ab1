import type { PriceTier, Protocol } from "./price-book.ts";
import { LIST_PRICE_PERMILLE } from "./select-prices.ts";

/**
 * Service tier names on the wire → the tier that prices them. A `Map`, so that no inherited
 * property of an object can pass for a tier.
 *
 * OpenAI: `fast` and `priority` are one product and answers say `priority`; `scale` is prepaid
 * capacity at standard list price; `auto` and absence mean the project's default, which as an
 * answer is always resolved. `ultrafast` is another product whose price is not published: unknown.
 * Anthropic: `priority` there is prepaid capacity counted at list price, not a dearer product;
 * the dearer product is `speed: "fast"`, which the usage reader reports as tier `fast`.
 */
const TIERS: Readonly<Record<Protocol, ReadonlyMap<string, PriceTier>>> = {
	openai: new Map<string, PriceTier>([
		["auto", "standard"],
		["default", "standard"],
		["standard", "standard"],
		["scale", "standard"],
		["flex", "flex"],
		["batch", "batch"],
		["fast", "priority"],
		["priority", "priority"],
	]),
	anthropic: new Map<string, PriceTier>([
		["auto", "standard"],
		["standard", "standard"],
		["standard_only", "standard"],
		["priority", "standard"],
		["batch", "batch"],
		["fast", "priority"],
	]),
};

/** Between the tier and the geography of an answer that names one with a price of its own: `standard+geo:us`. */
export const GEOGRAPHY_MARK = "+geo:";

/**
 * What a geography does to every token price, in thousandths. Anthropic bills inference held in the
 * United States at 1.1 times the list price (`inference_geo`, pricing page, "Data residency pricing").
 */
const GEOGRAPHY_PERMILLE: ReadonlyMap<string, number> = new Map([
	["global", LIST_PRICE_PERMILLE],
	["us", 1_100],
]);

/**
 * Price tier of a requested or answered service tier. No name at all (undefined or "") is `standard`;
 * a tier or a geography we do not know is undefined, and the caller prices the dearest reserved tier and alerts.
 */
export function priceTierOf(protocol: Protocol, serviceTier: string | undefined): PriceTier | undefined {
	if (serviceTier === undefined || serviceTier === "") return "standard";
	// As providers write them.
	const known = TIERS[protocol].get(serviceTier);
	if (known !== undefined) return known;
	const [tier = "", geography] = serviceTier.toLowerCase().split(GEOGRAPHY_MARK);
	if (geography !== undefined && !GEOGRAPHY_PERMILLE.has(geography)) return undefined;
	return TIERS[protocol].get(tier);
}

/** What the geography of an answer does to its token prices, in thousandths; an unknown one costs the dearest known. */
export function geographyPermilleOf(serviceTier: string | undefined): number {
	// The mark may come in any case; nearly every tier comes without one.
	if (serviceTier === undefined || !serviceTier.includes("+")) return LIST_PRICE_PERMILLE;
	const [, geography] = serviceTier.toLowerCase().split(GEOGRAPHY_MARK);
	return geography === undefined ? LIST_PRICE_PERMILLE : (GEOGRAPHY_PERMILLE.get(geography) ?? Math.max(...GEOGRAPHY_PERMILLE.values()));
}
