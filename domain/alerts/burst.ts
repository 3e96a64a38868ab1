/**
 * A burst of refusals: a team that is refused far more often than it usually is. One alert tells of it, however long it lasts, and one
 * of its end, so that neither a budget that is spent every evening nor a loop that hammers all night rings twice.
 */
export type RefusalCounts = {
	/** Refused calls within the last 5 minutes, counted up to LATELY_COUNTED_MAX. */
	readonly lately: number;
	/** Refused calls within the last 15 minutes, counted up to BURST_REFUSALS. */
	readonly withinQuietTime: number;
	/** Per hour of the day before, each counted up to HOUR_COUNTED_MAX; hours without any are 0. */
	readonly perHour: readonly number[];
};

/** A team that is refused less often than this in 5 minutes is never told of. */
export const BURST_REFUSALS = 50;
/** How much more than in a usual whole hour. */
const BURST_FACTOR = 5;
export const BURST_MINUTES = 5;
/** A burst is over when so many minutes together had fewer refusals than one needs to begin. */
export const QUIET_MINUTES = 15;
export const USUAL_HOURS = 24;
/** A team can be refused thousands of times a second: counting stops here, where BURST_FACTOR usual hours of the most that is counted are reached. */
export const HOUR_COUNTED_MAX = 2_000;
export const LATELY_COUNTED_MAX = BURST_FACTOR * HOUR_COUNTED_MAX;

export type BurstDecision =
	| { readonly kind: "begins"; readonly refusals: number; readonly usualPerHour: number }
	| { readonly kind: "ends" }
	| { readonly kind: "stays" };

/** `isStanding`: a burst of this team was told of and not ended. */
export function decideBurst(counts: RefusalCounts, { isStanding }: { readonly isStanding: boolean }): BurstDecision {
	if (isStanding) return counts.withinQuietTime < BURST_REFUSALS ? { kind: "ends" } : { kind: "stays" };
	const usualPerHour = median(counts.perHour);
	const isUnusual = counts.lately >= BURST_FACTOR * usualPerHour;
	return counts.lately >= BURST_REFUSALS && isUnusual ? { kind: "begins", refusals: counts.lately, usualPerHour } : { kind: "stays" };
}

/** The lower of the two in the middle; 0 of none. */
function median(counts: readonly number[]): number {
	const sorted = [...counts].sort((left, right) => left - right);
	return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
