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

/**
 * Which way it goes now. One without a deadline has time; one that may not go in real time goes with a batch however late that is. What was tried
 * in real time goes no other way after that.
 */
export function chooseLane(item: LaneItem, conditions: LaneChoiceConditions): LaneChoice {
	const { nowMs, mayBatch } = conditions;
	const { mayGoRealTime, tries, lastLane, deadlineMs, ...cost } = item;
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

/** Where the provider did not take some batches of a caller's, for want of room. */
export type RunTries = {
	/** Numbers of the item's tries that a provider had. */
	readonly tries: readonly number[];
	/** Batches that were not taken: no item was in more of them. */
	readonly untaken: number;
};

/**
 * The same for an item of a caller's own batch, some of which a batch of the provider left undone. It has no deadline: it goes with a batch the first time, as
 * he asked, and a second time where its key says so, then in real time where that says so. A batch that was not taken was no try in which it could be done: it
 * goes with another. So does, for once, what a provider took and never spoke of, if another batch was not taken: the two look alike, and that is the cheaper way.
 */
export function chooseCallerLane(
	{ tries, lastLane }: Pick<LaneItem, "tries" | "lastLane">,
	{ mayResubmit, mayRelane }: CallerBatchRules,
	ran?: RunTries,
): LaneChoice {
	if (tries === 0) return "batch";
	const wasTaken = ran === undefined || lastLane === "real_time" || ran.tries.includes(tries);
	if (!wasTaken && tries < ran.untaken + BATCH_TRIES_MAX) return "batch";
	const runs = ran === undefined ? tries : Math.max(1, ran.tries.length);
	const batchTries = lastLane === "real_time" ? BATCH_TRIES_MAX : runs;
	return decideRetry({ ended: "expired", tries: runs, batchTries, slackMs: null, neededMs: 0, mayBatch: mayResubmit, mayRealTime: mayRelane }).kind;
}
