import { divideRoundingUp, type NanoUsd } from "../money/nano-usd.ts";
import { limitPassedBy, type PartItem, type PartLimits, type PassedLimit } from "./split-parts.ts";
import { BATCH_WINDOW_MS, shareStillRunning, type TurnaroundEstimate, type TurnaroundSource } from "./turnaround.ts";

/**
 * Which way an item goes: with a batch, at half the price and some time within a day, or now, in real time. A batch is chosen where the time
 * until the deadline holds everything that may come before the answer (filling the batch, its turnaround in all but one case of ten, and a
 * real-time call with a margin for that one case), and where money is to be expected of it.
 *
 * Pure arithmetic and one binary search: below 50 microseconds. The estimate is made by `TurnaroundHistory.estimate` and kept for a while.
 */
export type LaneQuestion = {
	readonly nowMs: number;
	/** The answer has to be there by then; null = the caller named none. */
	readonly deadlineMs: number | null;
	/** False for what is streamed, interactive, or the turn of a conversation that others wait for. */
	readonly mayWait: boolean;
	/** What it is expected to cost either way. */
	readonly realTimeNanoUsd: NanoUsd;
	readonly batchNanoUsd: NanoUsd;
	/** What it is worth that the batch, too, comes in time, beside the price of the real-time call that steps in where it does not; default 0. */
	readonly latenessNanoUsd?: NanoUsd;
} & PartItem;

export type LaneConditions = {
	/** For a batch submitted after the wait. */
	readonly turnaround: TurnaroundEstimate;
	/** Until the batch that it would go with is full enough, at most (collect.ts). */
	readonly fillWaitMs: number;
	readonly realTimeP99Ms: number;
	/** Default `LANE_MARGIN_MS`. */
	readonly marginMs?: number;
	readonly limits: PartLimits;
};

export const LANE_MARGIN_MS = 5 * 60_000;
/** What a call in real time takes at most in all but one of a hundred cases, whoever runs the model. */
export const REAL_TIME_P99_MS = 60_000;

export type LaneReason =
	/** Real time. */
	| "no_deadline"
	| "deadline_past"
	| "may_not_wait"
	| "too_large"
	| "batch_not_cheaper"
	| "slack_short"
	| "saving_too_small"
	/** Batch. */
	| "slack_beyond_window"
	| "saving_expected";

export type LaneNumbers = {
	/** Until the deadline, below nothing where it is past; null without one. */
	readonly slackMs: number | null;
	/** What the slack has to hold for a batch: the four terms after it. */
	readonly neededMs: number;
	readonly fillWaitMs: number;
	readonly quantileMs: number;
	readonly realTimeP99Ms: number;
	readonly marginMs: number;
	readonly turnaroundSource: TurnaroundSource;
	/** Parts per million, rounded up: that the batch does not end before a real-time call would have to step in. */
	readonly latePpm: number;
	/** Of the prices, and less what stepping in is expected to cost. */
	readonly savingNanoUsd: NanoUsd;
	readonly expectedSavingNanoUsd: NanoUsd;
	/** The limit that the item passes by itself. */
	readonly passedLimit: PassedLimit | undefined;
};

export type LaneDecision = {
	readonly lane: "batch" | "real_time";
	readonly reason: LaneReason;
	/** The deadline is past already: it goes at once and is late whatever is done. */
	readonly isPastDeadline: boolean;
	readonly numbers: LaneNumbers;
};

const PPM = 1_000_000;
/** What a share of six hundredths may be above 60,000 parts for having been multiplied. */
const ROUNDING_PPM = 0.001;

export function decideLane(question: LaneQuestion, conditions: LaneConditions): LaneDecision {
	const numbers = weigh(question, conditions);
	const reason = reasonFor(question, numbers);
	const lane = reason === "slack_beyond_window" || reason === "saving_expected" ? "batch" : "real_time";
	return { lane, reason, isPastDeadline: reason === "deadline_past", numbers };
}

function weigh(question: LaneQuestion, conditions: LaneConditions): LaneNumbers {
	const { nowMs, deadlineMs, realTimeNanoUsd, batchNanoUsd, latenessNanoUsd = 0n } = question;
	const { turnaround, fillWaitMs, realTimeP99Ms, marginMs = LANE_MARGIN_MS, limits } = conditions;
	const slackMs = deadlineMs === null ? null : deadlineMs - nowMs;
	const runsForMs = slackMs === null ? 0 : slackMs - fillWaitMs - realTimeP99Ms - marginMs;
	const latePpm = Math.max(0, Math.ceil(shareStillRunning(turnaround, runsForMs) * PPM - ROUNDING_PPM));
	const savingNanoUsd = realTimeNanoUsd - batchNanoUsd;
	return {
		slackMs,
		neededMs: fillWaitMs + turnaround.quantileMs + realTimeP99Ms + marginMs,
		fillWaitMs,
		quantileMs: turnaround.quantileMs,
		realTimeP99Ms,
		marginMs,
		turnaroundSource: turnaround.source,
		latePpm,
		savingNanoUsd,
		// A batch that is late was paid for, and so is the call that steps in.
		expectedSavingNanoUsd: savingNanoUsd - divideRoundingUp(BigInt(latePpm) * (realTimeNanoUsd + latenessNanoUsd), BigInt(PPM)),
		passedLimit: limitPassedBy(question, limits),
	};
}

/** The first that holds. */
function reasonFor({ mayWait }: LaneQuestion, numbers: LaneNumbers): LaneReason {
	const { slackMs, neededMs, quantileMs } = numbers;
	if (slackMs === null) return "no_deadline";
	if (slackMs <= 0) return "deadline_past";
	if (!mayWait) return "may_not_wait";
	if (numbers.passedLimit !== undefined) return "too_large";
	if (numbers.savingNanoUsd <= 0n) return "batch_not_cheaper";
	if (slackMs >= neededMs - quantileMs + BATCH_WINDOW_MS) return "slack_beyond_window";
	if (slackMs < neededMs) return "slack_short";
	return numbers.expectedSavingNanoUsd > 0n ? "saving_expected" : "saving_too_small";
}
