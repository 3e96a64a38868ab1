/**
 * Whether the spending of a key or user has left its own history: its cost of the last ten minutes against its ten minutes of the same hours
 * of the last days. Robust, because one runaway day must not become the measure: median and median absolute deviation.
 */
export type VelocityQuestion = {
	/** Of the last ten minutes. */
	readonly costNanoUsd: bigint;
	readonly calls: number;
	/** Whole days since the first cost that is known, at most 14. */
	readonly historyDays: number;
	/** Costs above nothing of ten minutes in the same hours of those days; the others were nothing. */
	readonly history: readonly bigint[];
	/** Robust standard deviations above the median that are still its own; 0 = nothing is judged. */
	readonly sigmas: number;
	readonly minimumNanoUsd: bigint;
};

export type VelocityVerdict =
	| { readonly kind: "usual" }
	| {
			readonly kind: "left_history";
			readonly medianNanoUsd: bigint;
			/** The most that would still have been its own. */
			readonly usualNanoUsd: bigint;
			/** Requests per minute that cost about that much. */
			readonly requestsPerMinute: number;
	  };

export const VELOCITY_MINUTES = 10;
/** Hours beside the present one that count as the same: one before, one after. */
const BUCKETS_PER_DAY = 12;
const HISTORY_DAYS_MIN = 3;
const HISTORY_DAYS_MAX = 14;
const MEDIAN_FACTOR = 4n;
/** Makes the median absolute deviation of a normal distribution its standard deviation, in ten-thousandths. */
const MAD_TO_SIGMA = 14_826n;
const USUAL: VelocityVerdict = { kind: "usual" };

export function judgeVelocity(question: VelocityQuestion): VelocityVerdict {
	const { costNanoUsd, calls, historyDays, sigmas, minimumNanoUsd } = question;
	if (sigmas === 0 || historyDays < HISTORY_DAYS_MIN || costNanoUsd < minimumNanoUsd) return USUAL;
	const costs = wholeHistory(question.history, Math.min(historyDays, HISTORY_DAYS_MAX));
	const median = medianOf(costs);
	const deviation = medianOf(costs.map((cost) => (cost > median ? cost - median : median - cost)).sort(compare));
	const byDeviation = median + (BigInt(sigmas) * deviation * MAD_TO_SIGMA) / 10_000n;
	const byMedian = MEDIAN_FACTOR * median;
	const usualNanoUsd = largest([byDeviation, byMedian, minimumNanoUsd]);
	if (costNanoUsd <= usualNanoUsd) return USUAL;
	const slowed = (BigInt(calls) * usualNanoUsd) / (costNanoUsd * BigInt(VELOCITY_MINUTES));
	return { kind: "left_history", medianNanoUsd: median, usualNanoUsd, requestsPerMinute: slowed < 1n ? 1 : Number(slowed) };
}

/** Ascending, with the ten minutes that cost nothing. */
function wholeHistory(history: readonly bigint[], days: number): bigint[] {
	const nothing = Array.from({ length: Math.max(0, days * BUCKETS_PER_DAY - history.length) }, () => 0n);
	return [...nothing, ...history].sort(compare);
}

function medianOf(ascending: readonly bigint[]): bigint {
	const middle = ascending.length >> 1;
	const upper = ascending[middle] ?? 0n;
	return ascending.length % 2 === 1 ? upper : (upper + (ascending[middle - 1] ?? upper)) / 2n;
}

function largest(amounts: readonly bigint[]): bigint {
	return amounts.reduce((most, amount) => (amount > most ? amount : most), 0n);
}

function compare(left: bigint, right: bigint): number {
	return left < right ? -1 : left > right ? 1 : 0;
}
