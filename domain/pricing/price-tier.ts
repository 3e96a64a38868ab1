import type { PriceTier, Protocol } from "./price-book.ts";

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

/**
 * Price tier of a requested or answered service tier. No name at all (undefined or "") is `standard`;
 * a name we do not know is undefined, and the caller prices the dearest known tier and alerts.
 */
export function priceTierOf(protocol: Protocol, serviceTier: string | undefined): PriceTier | undefined {
	if (serviceTier === undefined || serviceTier === "") return "standard";
	return TIERS[protocol].get(serviceTier.toLowerCase());
}
