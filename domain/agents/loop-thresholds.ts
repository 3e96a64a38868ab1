/**
 * Lines of loop detection. A warning comes with the repeats that algorithms for loops agree on; the stop comes later, because a person's
 * job that waits or tries again looks the same for a while: as late as the larger of two periods and six exchanges allows, less one.
 */
export type LoopThresholds = {
	/** Times a call brings the same result, one after the other, before it is called repetition. */
	readonly identicalRepeats: number;
	/** The same where the result is an error. */
	readonly errorRepeats: number;
	/** Times a cycle of several calls comes back. */
	readonly cycleRepeats: number;
	/** Exchanges beyond these repeats until the stop; a longer cycle has two periods less one. */
	readonly graceExchanges: number;
	/** One more for a single call that asks how something is going. */
	readonly pollingGraceExchanges: number;
	/** A cycle with a tool that waits, or a poll that lets so much time pass, is stopped so many times later. */
	readonly waitingFactor: number;
	readonly patientPollMs: number;
	/** The same for a cycle of one such tool alone: several things are waited for. */
	readonly severalPollsFactor: number;
	/** Exchanges without anything new, less two for each that brought something. */
	readonly stallWarn: number;
	readonly stallStop: number;
	/** Exchanges in a row that each carried more context than the one before, and nothing new in it. */
	readonly growthWarn: number;
	readonly growthStop: number;
	/** Exchanges in a row that each added more context than the one before had added, whatever it was. */
	readonly accelerationStop: number;
	/** The same where only numbers were new, in a run whose context had gone up and down before. */
	readonly sameShapeGrowthStop: number;
	/** Recent cost of an exchange over the run's own usual one. */
	readonly costFactor: number;
	/** Robust standard deviations it must also lie above. */
	readonly costSigmas: number;
	/** Exchanges that make a history. */
	readonly costHistory: number;
};

export const DEFAULT_LOOP_THRESHOLDS: LoopThresholds = {
	identicalRepeats: 4,
	errorRepeats: 3,
	cycleRepeats: 3,
	graceExchanges: 5,
	pollingGraceExchanges: 6,
	waitingFactor: 3,
	patientPollMs: 10_000,
	severalPollsFactor: 2,
	stallWarn: 6,
	stallStop: 9,
	growthWarn: 8,
	growthStop: 12,
	accelerationStop: 11,
	sameShapeGrowthStop: 13,
	costFactor: 6,
	costSigmas: 4,
	costHistory: 20,
};
