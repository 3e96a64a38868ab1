import { type CollectorTally, decideFlush, type FlushReason } from "./collect.ts";
import type { collectorPace } from "./collector-plan.ts";
import type { PartLimits } from "./split-parts.ts";

/**
 * When the workflow of a collector is told of a batch: seldom, since it knows itself how old its first item is, and each word costs events. It has to
 * hear of a batch that it does not know, of a deadline before those it knows, that the batch is full, and that nothing came for a while.
 */
export type TellReason = "new" | "deadline" | FlushReason;

export type Told = {
	readonly reason: TellReason;
	/** Of the batch when it was told. */
	readonly earliestDeadlineMs: number | null;
	/** On the same clock as `nowMs`. */
	readonly atMs: number;
};

export type TellConditions = ReturnType<typeof collectorPace> & {
	/** On the clock of the tally. */
	readonly nowMs: number;
	readonly limits: PartLimits;
};

/** What was told and had no effect (the provider has no room, or no workflow polls) is told again after this. */
export const TOLD_AGAIN_MS = 60_000;

/** undefined: it need not be told now. `told` undefined: it never was. */
export function reasonToTell(tally: CollectorTally, told: Told | undefined, conditions: TellConditions): TellReason | undefined {
	const { earliestDeadlineMs } = tally;
	if (told === undefined) return "new";
	if (earliestDeadlineMs !== null && earliestDeadlineMs < (told.earliestDeadlineMs ?? Number.POSITIVE_INFINITY)) return "deadline";
	// The room of the provider, and how long its batches take, are for the workflow to say.
	const decision = decideFlush(tally, {
		...conditions,
		batchesLeft: Number.POSITIVE_INFINITY,
		enqueuedTokens: 0,
		quantileMs: 0,
		realTimeP99Ms: 0,
		marginMs: 0,
	});
	if (decision.kind === "wait") return undefined;
	return decision.reason === told.reason && conditions.nowMs - told.atMs < TOLD_AGAIN_MS ? undefined : decision.reason;
}
