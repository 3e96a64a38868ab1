import fc from "fast-check";
import { expect, test } from "vitest";
import { decideLane, type LaneConditions, type LaneQuestion } from "#domain/batching/lane.ts";
import { survivalCurve } from "#domain/batching/survival.ts";
import { BATCH_WINDOW_MS, type TurnaroundEstimate } from "#domain/batching/turnaround.ts";

const NOW_MS = 1_800_000_000_000;
const DAY_MS = 24 * 3_600_000;
const money = fc.bigInt({ min: 0n, max: 10n ** 15n });
const slackMs = fc.integer({ min: -DAY_MS, max: 4 * DAY_MS });

const turnaround: fc.Arbitrary<TurnaroundEstimate> = fc
	.tuple(fc.integer({ min: 0, max: BATCH_WINDOW_MS }), fc.array(fc.integer({ min: 0, max: BATCH_WINDOW_MS }), { maxLength: 30 }))
	.map(([quantileMs, times]) => ({
		quantileMs,
		lateShare: 0.1,
		source: "all_hours",
		samples: times.length,
		inFlight: 0,
		curve: survivalCurve(times.map((afterMs) => ({ afterMs, isCensored: false }))),
	}));
const conditions: fc.Arbitrary<LaneConditions> = fc.record({
	turnaround,
	fillWaitMs: fc.integer({ min: 0, max: 900_000 }),
	realTimeP99Ms: fc.integer({ min: 0, max: 600_000 }),
	marginMs: fc.integer({ min: 0, max: 600_000 }),
	limits: fc.constant({ itemsMax: 10, bytesMax: 1_000, embeddingInputsMax: undefined, enqueuedTokensMax: 100, itemOverheadBytes: 10 }),
});
const question: fc.Arbitrary<LaneQuestion> = fc.record({
	nowMs: fc.constant(NOW_MS),
	deadlineMs: fc.option(
		slackMs.map((slack) => NOW_MS + slack),
		{ nil: null, freq: 10 },
	),
	mayWait: fc.boolean(),
	realTimeNanoUsd: money,
	batchNanoUsd: money,
	latenessNanoUsd: money,
	bytes: fc.integer({ min: 0, max: 1_100 }),
	boundInputTokens: fc.integer({ min: 0, max: 110 }),
});

test("with a batch goes what is in time by a real-time call, should the batch fail, and never what the caller loses by", () => {
	fc.assert(
		fc.property(question, conditions, (asked, given) => {
			const { lane, numbers } = decideLane(asked, given);
			if (lane === "real_time") return;
			const hedgeAtMs = (asked.deadlineMs ?? Number.NaN) - numbers.realTimeP99Ms - numbers.marginMs;
			expect(hedgeAtMs).toBeGreaterThanOrEqual(NOW_MS + given.fillWaitMs + given.turnaround.quantileMs);
			expect(asked.batchNanoUsd < asked.realTimeNanoUsd).toBe(true);
			expect(asked.mayWait && asked.bytes <= 990 && asked.boundInputTokens <= 100).toBe(true);
		}),
		{ numRuns: 1_000 },
	);
});

test("what may go with a batch may also with more slack", () => {
	fc.assert(
		fc.property(question, conditions, slackMs, fc.nat(DAY_MS), (asked, given, slack, more) => {
			const at = (ms: number) => decideLane({ ...asked, deadlineMs: NOW_MS + ms }, given).lane;
			if (at(slack) === "batch") expect(at(slack + more)).toBe("batch");
		}),
		{ numRuns: 1_000 },
	);
});

test("a slower provider moves nothing out of real time, but what a batch is always good for", () => {
	fc.assert(
		fc.property(question, conditions, fc.nat(DAY_MS), (asked, given, slower) => {
			const slow = { ...given, turnaround: { ...given.turnaround, quantileMs: Math.min(BATCH_WINDOW_MS, given.turnaround.quantileMs + slower) } };
			if (decideLane(asked, given).lane === "real_time") expect(decideLane(asked, slow).lane).toBe("real_time");
		}),
		{ numRuns: 1_000 },
	);
});

test("a deadline that is past is flagged, and nothing else is", () => {
	fc.assert(
		fc.property(question, conditions, (asked, given) => {
			const { isPastDeadline, lane } = decideLane(asked, given);
			expect(isPastDeadline).toBe(asked.deadlineMs !== null && asked.deadlineMs <= NOW_MS);
			if (isPastDeadline) expect(lane).toBe("real_time");
		}),
	);
});
