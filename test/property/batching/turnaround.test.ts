import fc from "fast-check";
import { expect, test } from "vitest";
import { type Observation, shareAfter, survivalCurve, timeUntilShare } from "#domain/batching/survival.ts";
import { BATCH_WINDOW_MS, SAMPLES_MIN, shareStillRunning, TurnaroundHistory } from "#domain/batching/turnaround.ts";

const HOUR_MS = 3_600_000;
const START_MS = 1_800_000_000_000;

const afterMs = fc.integer({ min: 0, max: 50 });
const observation: fc.Arbitrary<Observation> = fc.record({ afterMs, isCensored: fc.boolean() });
const share = fc.double({ min: 0.01, max: 0.99, noNaN: true });

/** Batches with what became of them: ended so long after, cancelled then, or never told of. */
type Told = { readonly submittedAtMs: number; readonly tookMs: number; readonly end: "ended" | "cancelled" | "untold" };
const told: fc.Arbitrary<Told> = fc.record({
	submittedAtMs: fc.integer({ min: START_MS, max: START_MS + 200 * HOUR_MS }),
	tookMs: fc.integer({ min: 0, max: 30 * HOUR_MS }),
	end: fc.constantFrom("ended", "ended", "ended", "ended", "cancelled", "untold"),
});
const batches = fc.array(told, { minLength: 0, maxLength: 400 });

function historyOf(all: readonly Told[], order: readonly number[] = all.map((_, index) => index)): TurnaroundHistory {
	const history = new TurnaroundHistory();
	for (const [index, { submittedAtMs }] of all.entries()) history.noteSubmitted(`b${index}`, submittedAtMs);
	for (const index of order) {
		const { submittedAtMs, tookMs, end } = all[index]!;
		if (end !== "untold") history.noteEnded(`b${index}`, { atMs: submittedAtMs + tookMs, isCancelled: end === "cancelled" });
	}
	return history;
}

test("without anything censored the quantile is the one that is counted", () => {
	fc.assert(
		fc.property(fc.array(afterMs, { minLength: 1, maxLength: 60 }), share, (times, late) => {
			const curve = survivalCurve(times.map((time) => ({ afterMs: time, isCensored: false })));
			const counted = [...times].sort((left, right) => left - right).find((time) => times.filter((other) => other > time).length <= late * times.length + 1e-9);
			expect(timeUntilShare(curve, late)).toBe(counted);
		}),
	);
});

test("the share that still runs starts at one, never rises and is never below nothing", () => {
	fc.assert(
		fc.property(fc.array(observation, { maxLength: 60 }), (observations) => {
			const curve = survivalCurve(observations);
			const shares = Array.from({ length: 53 }, (_, index) => shareAfter(curve, index - 1));
			expect(shares[0]).toBe(1);
			for (const [index, one] of shares.entries()) expect(one >= 0 && one <= (shares[index - 1] ?? 1)).toBe(true);
		}),
	);
});

test("one more batch in flight never makes a provider look quicker", () => {
	fc.assert(
		fc.property(fc.array(observation, { maxLength: 60 }), afterMs, (observations, running) => {
			const before = survivalCurve(observations);
			const after = survivalCurve([...observations, { afterMs: running, isCensored: true }]);
			for (let time = 0; time <= 51; time += 1) expect(shareAfter(after, time)).toBeGreaterThanOrEqual(shareAfter(before, time) - 1e-9);
		}),
	);
});

test("a quantile is at most the window, rests on enough or is the window, and leaves no more than its share running", () => {
	fc.assert(
		fc.property(batches, fc.integer({ min: 0, max: 400 }), share, (all, hours, lateShare) => {
			const nowMs = START_MS + hours * HOUR_MS;
			const estimate = historyOf(all).estimate({ submitAtMs: nowMs, nowMs, lateShare });
			expect(estimate.quantileMs).toBeLessThanOrEqual(BATCH_WINDOW_MS);
			if (estimate.samples < SAMPLES_MIN) expect(estimate).toMatchObject({ source: "default", quantileMs: BATCH_WINDOW_MS });
			expect(shareStillRunning(estimate, estimate.quantileMs)).toBeLessThanOrEqual(lateShare + 1e-9);
		}),
	);
});

test("it does not matter in which order the ends of batches are heard of", () => {
	const shuffled = batches.chain((all) =>
		fc.tuple(
			fc.constant(all),
			fc.shuffledSubarray(
				all.map((_, index) => index),
				{ minLength: all.length, maxLength: all.length },
			),
		),
	);
	fc.assert(
		fc.property(shuffled, ([all, order]) => {
			expect(historyOf(all, order).pack()).toEqual(historyOf(all).pack());
		}),
	);
});

test("what is packed as JSON judges as before, at any time and for any hour", () => {
	fc.assert(
		fc.property(batches, fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 167 }), (all, hours, hour) => {
			const history = historyOf(all);
			const back = TurnaroundHistory.unpack(JSON.parse(JSON.stringify(history.pack())));
			const at = { nowMs: START_MS + hours * HOUR_MS, submitAtMs: START_MS + hour * HOUR_MS };
			expect(back.pack()).toEqual(history.pack());
			expect(back.estimate(at)).toEqual(history.estimate(at));
		}),
	);
});
