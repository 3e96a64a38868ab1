/**
 * Kaplan-Meier with late entry: which share of batches still runs after so long, from batches of which some are only known to have run *at
 * least* so long (in flight, or cancelled by us), and some were only watched from an age on. Leaving the first out would make a provider look
 * quick exactly while it is slow; counting the second from the start would make it look slow, because of those that were submitted long ago
 * only the slow ones are left to be watched.
 */
export type Observation = {
	/** When it ended, or what it had run when it was last seen. */
	readonly afterMs: number;
	readonly isCensored: boolean;
	/** Had it ended by this age, nobody would know of it; default 0. */
	readonly watchedFromMs?: number;
};

/** A step for each time at which batches ended: `shares[i]` still run after `timesMs[i]`. Times ascend, shares descend. Plain data. */
export type SurvivalCurve = { readonly timesMs: readonly number[]; readonly shares: readonly number[] };

/** What products of fractions are off by. */
const ROUNDING = 1e-9;
/** Before all are watched, the end of one of fewer says too little of the others: it is passed over. */
const WATCHED_MIN = 20;

export function survivalCurve(observations: readonly Observation[]): SurvivalCurve {
	const known = observations.filter(({ afterMs, watchedFromMs = 0 }) => watchedFromMs === 0 || watchedFromMs < afterMs);
	const sorted = [...known].sort((left, right) => left.afterMs - right.afterMs);
	const entries = known.map(({ watchedFromMs = 0 }) => watchedFromMs).sort((left, right) => left - right);
	const timesMs: number[] = [];
	const shares: number[] = [];
	let share = 1;
	let entered = 0;
	let at = 0;
	while (at < sorted.length) {
		const timeMs = sorted[at]?.afterMs ?? 0;
		while (entered < entries.length && ((entries[entered] ?? 0) < timeMs || entries[entered] === 0)) entered += 1;
		const atRisk = entered - at;
		let ended = 0;
		// Of those with the same time, the cancelled are taken to have run on.
		for (; sorted[at]?.afterMs === timeMs; at += 1) ended += sorted[at]?.isCensored ? 0 : 1;
		if (ended === 0 || (entered < entries.length && atRisk < WATCHED_MIN)) continue;
		share *= 1 - ended / atRisk;
		timesMs.push(timeMs);
		shares.push(share);
	}
	return { timesMs, shares };
}

/** From 1 to 0; `afterMs` itself counts as passed. */
export function shareAfter({ timesMs, shares }: SurvivalCurve, afterMs: number): number {
	let low = 0;
	let high = timesMs.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((timesMs[middle] ?? 0) <= afterMs) low = middle + 1;
		else high = middle;
	}
	return low === 0 ? 1 : (shares[low - 1] ?? 1);
}

/** The first time after which at most `share` still runs; undefined: it was never seen. */
export function timeUntilShare({ timesMs, shares }: SurvivalCurve, share: number): number | undefined {
	const at = shares.findIndex((one) => one <= share + ROUNDING);
	return at < 0 ? undefined : timesMs[at];
}
