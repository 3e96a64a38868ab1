import type { CallerBatchRules } from "./batch.ts";
import { DEADLINE_MAX_MS, type Lane } from "./deferred.ts";
import { decideLane, type LaneConditions, type LaneQuestion } from "./lane.ts";
import { BATCH_TRIES_MAX, decideRetry } from "./retry.ts";

/** An item of a collected batch that waits to be sent, the first time (lane.ts) or again (retry.ts). */
export type LaneItem = Omit<LaneQuestion, "nowMs" | "mayWait"> & {
	/** False where its caller forbade it. */
	readonly mayGoRealTime: boolean;
	/** Tries so far, and the lane of the newest; null before the first. */
	readonly tries: number;
	readonly lastLane: Lane | null;
};

export type LaneChoice = Lane | "end";

export type LaneChoiceConditions = LaneConditions & {
	readonly nowMs: number;
	/** Its account runs batches. */
	readonly mayBatch: boolean;
};

/** Where the provider did not take some batches, for want of room. */
export type RunTries = {
	/** Numbers of the item's tries that a provider had. */
	readonly tries: readonly number[];
	/** Batches that were not taken: no item was in more of them. */
	readonly untaken: number;
};

/**
 * Tries that count. A batch that was not taken was no try in which the item could be done. Nor is, for once, what a provider took and never spoke of, if
 * another batch was not taken: the two look alike, and to go with a batch is the cheaper way.
 */
function countTries({ tries, lastLane }: Pick<LaneItem, "tries" | "lastLane">, ran: RunTries | undefined): number {
	if (ran === undefined || tries === 0) return tries;
	const wasTaken = lastLane === "real_time" || ran.tries.includes(tries);
	if (!wasTaken && tries < ran.untaken + BATCH_TRIES_MAX) return ran.tries.length;
	return Math.max(1, ran.tries.length);
}

/**
 * Which way it goes now. One without a deadline has time; one that may not go in real time goes with a batch however late that is. What was tried
 * in real time goes no other way after that.
 */
export function chooseLane(item: LaneItem, conditions: LaneChoiceConditions, ran?: RunTries): LaneChoice {
	const { nowMs, mayBatch } = conditions;
	const { mayGoRealTime, tries: _tries, lastLane, deadlineMs, ...cost } = item;
	const tries = countTries(item, ran);
	const lane = decideLane({ ...cost, nowMs, mayWait: true, deadlineMs: deadlineMs ?? nowMs + DEADLINE_MAX_MS }, conditions);
	const isTooLarge = lane.numbers.passedLimit !== undefined;
	if (tries === 0 && mayGoRealTime) return mayBatch ? lane.lane : "real_time";
	if (tries === 0) return mayBatch && !isTooLarge ? "batch" : "end";
	return decideRetry({
		ended: "expired",
		tries,
		batchTries: lastLane === "real_time" ? BATCH_TRIES_MAX : tries,
		slackMs: deadlineMs === null ? null : deadlineMs - nowMs,
		neededMs: mayGoRealTime ? lane.numbers.neededMs : 0,
		mayBatch: mayBatch && !isTooLarge,
		mayRealTime: mayGoRealTime,
	}).kind;
}

/**
 * The same for an item of a caller's own batch, some of which a batch of the provider left undone. It has no deadline: it goes with a batch the first time, as
 * he asked, and a second time where its key says so, then in real time where that says so. What was not taken goes with another batch.
 */
export function chooseCallerLane(item: Pick<LaneItem, "tries" | "lastLane">, { mayResubmit, mayRelane }: CallerBatchRules, ran?: RunTries): LaneChoice {
	const tries = countTries(item, ran);
	if (tries === 0) return "batch";
	const batchTries = item.lastLane === "real_time" ? BATCH_TRIES_MAX : tries;
	return decideRetry({ ended: "expired", tries, batchTries, slackMs: null, neededMs: 0, mayBatch: mayResubmit, mayRealTime: mayRelane }).kind;
}
