import { assert } from "../assert.ts";
import type { NanoUsd } from "../money/nano-usd.ts";

/**
 * Largest-remainder rounding: each part is rounded down, and what is left over goes, one nano-dollar each, to the parts that lost most, of equals to the
 * first by name. Every nano-dollar lands exactly once; a negative amount is split like its magnitude.
 */
export type Weighted = { readonly teamId: string; readonly weight: bigint };

/** Weights are not negative, and not all nought. */
export function splitAmount(amount: NanoUsd, weights: readonly Weighted[]): ReadonlyMap<string, NanoUsd> {
	const total = weights.reduce((sum, { weight }) => sum + weight, 0n);
	assert(total > 0n && weights.every(({ weight }) => weight >= 0n), "an amount is split by weights that are not negative and not all nought");
	const sign = amount < 0n ? -1n : 1n;
	const magnitude = amount * sign;
	const parts = weights.map(({ teamId, weight }) => ({ teamId, part: (magnitude * weight) / total, lost: (magnitude * weight) % total }));
	const left = Number(magnitude - parts.reduce((sum, { part }) => sum + part, 0n));
	const byLoss = [...parts].sort((one, other) => (one.lost === other.lost ? (one.teamId < other.teamId ? -1 : 1) : one.lost > other.lost ? -1 : 1));
	const raised = new Set(byLoss.slice(0, left).map(({ teamId }) => teamId));
	return new Map(parts.map(({ teamId, part }) => [teamId, sign * (part + (raised.has(teamId) ? 1n : 0n))]));
}
