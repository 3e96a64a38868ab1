import type { Bound } from "../bound/request.ts";
import type { PriceTier } from "../pricing/price-book.ts";
import type { HeldItem } from "./batch.ts";

export type DearestLane = {
	readonly dearest: Bound;
	readonly amounts: Pick<HeldItem, "boundNanoUsd" | "boundTokens" | "boundInputTokens" | "tiers">;
};

/** What is held of an item by its bounds on each lane that it may take, of which there is one at least: which one is chosen only later. */
export function dearestLane(bounds: readonly Bound[]): DearestLane {
	const dearest = bounds.reduce((most, bound) => (bound.nanoUsd > most.nanoUsd ? bound : most));
	const amounts = {
		boundNanoUsd: dearest.nanoUsd,
		boundTokens: Math.max(...bounds.map(({ tokens }) => tokens)),
		boundInputTokens: Math.max(...bounds.map(({ inputTokens }) => inputTokens)),
		tiers: [...new Set<PriceTier>(bounds.flatMap(({ reach }) => reach.tiers))],
	};
	return { dearest, amounts };
}
