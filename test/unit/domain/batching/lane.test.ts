import { describe, expect, test } from "vitest";
import { decideLane, LANE_MARGIN_MS, type LaneConditions, type LaneQuestion } from "#domain/batching/lane.ts";
import { survivalCurve } from "#domain/batching/survival.ts";
import { type TurnaroundEstimate, UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOW_MS = 1_800_000_000_000;

/** Half of the batches take one hour, 44 of a hundred two, six of them five. */
const TURNAROUND: TurnaroundEstimate = {
	quantileMs: 2 * HOUR_MS,
	lateShare: 0.1,
	source: "all_hours",
	samples: 100,
	inFlight: 0,
	curve: survivalCurve(
		[...Array(50).fill(HOUR_MS), ...Array(44).fill(2 * HOUR_MS), ...Array(6).fill(5 * HOUR_MS)].map((afterMs) => ({ afterMs, isCensored: false })),
	),
};
const CONDITIONS: LaneConditions = {
	turnaround: TURNAROUND,
	fillWaitMs: 15 * MINUTE_MS,
	realTimeP99Ms: MINUTE_MS,
	limits: { itemsMax: 100, bytesMax: 10_000, embeddingInputsMax: 100, enqueuedTokensMax: 5_000, itemOverheadBytes: 100 },
};
/** Two hours of turnaround, 15 minutes to fill, one for the call, five of margin. */
const NEEDED_MS = 2 * HOUR_MS + 21 * MINUTE_MS;
const BEYOND_MS = 24 * HOUR_MS + 21 * MINUTE_MS;
const ITEM: LaneQuestion = {
	nowMs: NOW_MS,
	deadlineMs: NOW_MS + NEEDED_MS,
	mayWait: true,
	realTimeNanoUsd: 1_000n,
	batchNanoUsd: 500n,
	bytes: 1_000,
	boundInputTokens: 250,
};
const within = (slackMs: number): LaneQuestion => ({ ...ITEM, deadlineMs: NOW_MS + slackMs });

describe("a lane is chosen", () => {
	test("batch, where the slack holds all that may come before the answer, with its numbers", () => {
		expect(decideLane(ITEM, CONDITIONS)).toEqual({
			lane: "batch",
			reason: "saving_expected",
			isPastDeadline: false,
			numbers: {
				slackMs: NEEDED_MS,
				neededMs: NEEDED_MS,
				fillWaitMs: 15 * MINUTE_MS,
				quantileMs: 2 * HOUR_MS,
				realTimeP99Ms: MINUTE_MS,
				marginMs: LANE_MARGIN_MS,
				turnaroundSource: "all_hours",
				latePpm: 60_000,
				savingNanoUsd: 500n,
				expectedSavingNanoUsd: 440n,
				passedLimit: undefined,
			},
		});
	});

	test.each([
		["a millisecond less slack", within(NEEDED_MS - 1), { lane: "real_time", reason: "slack_short" }],
		["no deadline", { ...ITEM, deadlineMs: null }, { lane: "real_time", reason: "no_deadline" }],
		["a deadline in the past", within(-1), { lane: "real_time", reason: "deadline_past", isPastDeadline: true }],
		["a deadline that is now", within(0), { lane: "real_time", reason: "deadline_past", isPastDeadline: true }],
		["a turn that others wait for", { ...within(BEYOND_MS), mayWait: false }, { lane: "real_time", reason: "may_not_wait" }],
		["no batch price", { ...within(BEYOND_MS), batchNanoUsd: 1_000n }, { lane: "real_time", reason: "batch_not_cheaper" }],
		["more bytes than a batch takes", { ...within(BEYOND_MS), bytes: 9_901 }, { lane: "real_time", reason: "too_large" }],
		["more tokens than may be enqueued", { ...within(BEYOND_MS), boundInputTokens: 5_001 }, { lane: "real_time", reason: "too_large" }],
		["24 hours and all the rest", within(BEYOND_MS), { lane: "batch", reason: "slack_beyond_window" }],
		["a millisecond less than that", within(BEYOND_MS - 1), { lane: "batch", reason: "saving_expected" }],
	] as const)("with %s", (_, question, expected) => {
		expect(decideLane(question, CONDITIONS)).toMatchObject({ isPastDeadline: false, ...expected });
	});

	test("beyond 24 hours a batch is chosen whatever is known, or not, of the provider", () => {
		const unknown = { ...CONDITIONS, turnaround: UNKNOWN_TURNAROUND };
		expect(decideLane(within(BEYOND_MS), unknown)).toMatchObject({ lane: "batch", reason: "slack_beyond_window", numbers: { turnaroundSource: "default" } });
		expect(decideLane(within(BEYOND_MS - 1), unknown)).toMatchObject({ lane: "real_time", reason: "slack_short" });
		expect(decideLane({ ...within(BEYOND_MS), latenessNanoUsd: 10n ** 18n }, CONDITIONS)).toMatchObject({ lane: "batch" });
	});

	test("real time, where what lateness costs outweighs the saving", () => {
		// Six of a hundred are late: (1,000 + 7,333) × 0.06 is a little less than 500, one nano-dollar more is not.
		expect(decideLane({ ...ITEM, latenessNanoUsd: 7_333n }, CONDITIONS)).toMatchObject({ reason: "saving_too_small", numbers: { expectedSavingNanoUsd: 0n } });
		expect(decideLane({ ...ITEM, latenessNanoUsd: 7_300n }, CONDITIONS)).toMatchObject({ lane: "batch", numbers: { expectedSavingNanoUsd: 2n } });
	});

	test("more slack lowers the share that is late", () => {
		expect(decideLane(within(NEEDED_MS + 3 * HOUR_MS), CONDITIONS).numbers).toMatchObject({ latePpm: 0, expectedSavingNanoUsd: 500n });
	});

	test("a provider that slowed down moves items into real time", () => {
		const slow = { ...CONDITIONS, turnaround: { ...TURNAROUND, quantileMs: 5 * HOUR_MS } };
		expect(decideLane(ITEM, slow)).toMatchObject({ lane: "real_time", reason: "slack_short", numbers: { neededMs: 5 * HOUR_MS + 21 * MINUTE_MS } });
	});

	test("another margin may be set", () => {
		expect(decideLane(within(NEEDED_MS - MINUTE_MS), { ...CONDITIONS, marginMs: 4 * MINUTE_MS })).toMatchObject({ lane: "batch" });
	});
});
