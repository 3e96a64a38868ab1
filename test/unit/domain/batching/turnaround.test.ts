import { describe, expect, test } from "vitest";
import { shareAfter, survivalCurve, timeUntilShare } from "#domain/batching/survival.ts";
import { BATCH_WINDOW_MS, hourOfWeek, IN_FLIGHT_KEPT, shareStillRunning, TurnaroundHistory, UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** A Thursday, 00:00 UTC. */
const START_MS = 2_000 * WEEK_MS;

/** Batches that took so many minutes, one after the other, a second apart, from `fromMs` on. */
function play(history: TurnaroundHistory, fromMs: number, minutes: readonly number[], isCancelled = false): void {
	for (const [index, took] of minutes.entries()) {
		const id = `${fromMs}-${isCancelled}-${index}`;
		history.noteSubmitted(id, fromMs + index * 1_000);
		history.noteEnded(id, { atMs: fromMs + index * 1_000 + took * MINUTE_MS, isCancelled });
	}
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe("how many still run", () => {
	test("without anything in flight it is what was seen", () => {
		const curve = survivalCurve([4, 1, 3, 2].map((afterMs) => ({ afterMs, isCensored: false })));
		expect(curve.timesMs).toEqual([1, 2, 3, 4]);
		expect([0, 1, 2.5, 3, 4, 9].map((afterMs) => Math.round(shareAfter(curve, afterMs) * 100))).toEqual([100, 75, 50, 25, 0, 0]);
		expect([0.5, 0.25, 0.1].map((share) => timeUntilShare(curve, share))).toEqual([2, 3, 4]);
	});

	test("what is in flight counts as long as it has run: the textbook's example", () => {
		// Ends at 1, 3 and 5, still running after 2 and 4: 4/5, then 2/3 of it, then none.
		const curve = survivalCurve([
			{ afterMs: 1, isCensored: false },
			{ afterMs: 2, isCensored: true },
			{ afterMs: 3, isCensored: false },
			{ afterMs: 4, isCensored: true },
			{ afterMs: 5, isCensored: false },
		]);
		expect(curve.timesMs).toEqual([1, 3, 5]);
		expect(curve.shares.map((share) => Number(share.toFixed(6)))).toEqual([0.8, 0.533333, 0]);
	});

	test("of those with the same time the ones in flight are taken to run on", () => {
		const curve = survivalCurve([
			{ afterMs: 1, isCensored: true },
			{ afterMs: 1, isCensored: false },
		]);
		expect(curve).toEqual({ timesMs: [1], shares: [0.5] });
	});

	test("one that was watched from an age on counts from that age on", () => {
		// Ends at 1 and 3 of two that were watched from the start, at 4 of one that was watched from 2 on.
		const curve = survivalCurve([
			...Array(20).fill({ afterMs: 1, isCensored: false }),
			...Array(20).fill({ afterMs: 3, isCensored: false }),
			...Array(20).fill({ afterMs: 4, isCensored: false, watchedFromMs: 2 }),
		]);
		expect(curve).toEqual({ timesMs: [1, 3, 4], shares: [0.5, 0.25, 0] });
	});

	test("one that ended by the age from which it was watched says nothing", () => {
		const all = [
			{ afterMs: 2, isCensored: false, watchedFromMs: 2 },
			{ afterMs: 0, isCensored: false },
			{ afterMs: 5, isCensored: false },
		];
		expect(survivalCurve(all)).toEqual({ timesMs: [0, 5], shares: [0.5, 0] });
	});

	test("a single quick one does not speak for many that were watched from a later age on", () => {
		const late = Array(100).fill({ afterMs: 9, isCensored: false, watchedFromMs: 5 });
		expect(timeUntilShare(survivalCurve([{ afterMs: 1, isCensored: false }, ...late]), 0.1)).toBe(9);
	});

	test("nothing is known of nothing", () => {
		const curve = survivalCurve([]);
		expect([shareAfter(curve, 5), timeUntilShare(curve, 0.1)]).toEqual([1, undefined]);
	});
});

describe("the turnaround of a provider and model", () => {
	test("with fewer than 100 ended batches is its whole window", () => {
		const history = new TurnaroundHistory();
		play(history, START_MS, upTo(99));
		const at = { submitAtMs: START_MS, nowMs: START_MS + 3 * HOUR_MS };
		expect(history.estimate(at)).toEqual({ ...UNKNOWN_TURNAROUND, samples: 99 });
		play(history, START_MS + HOUR_MS, [1]);
		expect(history.estimate(at)).toMatchObject({ source: "all_hours", quantileMs: 89 * MINUTE_MS, samples: 100 });
	});

	test("is the time within which nine of ten ended, or another share that is asked for", () => {
		const history = new TurnaroundHistory();
		play(history, START_MS, upTo(200));
		const at = { submitAtMs: START_MS + 5 * HOUR_MS, nowMs: START_MS + 5 * HOUR_MS };
		expect(history.estimate(at)).toMatchObject({ source: "all_hours", quantileMs: 180 * MINUTE_MS, lateShare: 0.1 });
		expect(history.estimate({ ...at, lateShare: 0.5 }).quantileMs).toBe(100 * MINUTE_MS);
	});

	test("is that of the hour of the week where 100 ended in it, and of all hours elsewhere", () => {
		const history = new TurnaroundHistory();
		play(
			history,
			START_MS,
			upTo(100).map(() => 10),
		);
		play(
			history,
			START_MS + 5 * HOUR_MS,
			upTo(100).map(() => 100),
		);
		const nowMs = START_MS + DAY_MS;
		expect(history.estimate({ submitAtMs: START_MS + WEEK_MS + 5 * HOUR_MS, nowMs })).toMatchObject({
			source: "hour_of_week",
			quantileMs: 100 * MINUTE_MS,
			samples: 100,
		});
		expect(history.estimate({ submitAtMs: START_MS + WEEK_MS + 7 * HOUR_MS, nowMs })).toMatchObject({
			source: "all_hours",
			quantileMs: 100 * MINUTE_MS,
			samples: 200,
		});
	});

	test("a quick hour is not trusted while the newest of all hours are slower", () => {
		const history = new TurnaroundHistory();
		play(
			history,
			START_MS,
			upTo(150).map(() => 10),
		);
		play(
			history,
			START_MS + 6 * DAY_MS,
			upTo(400).map(() => 300),
		);
		expect(history.estimate({ submitAtMs: START_MS + WEEK_MS, nowMs: START_MS + WEEK_MS })).toMatchObject({ source: "all_hours", quantileMs: 300 * MINUTE_MS });
	});

	test("a slowdown shows in what is in flight, before any of it has ended", () => {
		const history = new TurnaroundHistory();
		play(
			history,
			START_MS,
			upTo(300).map((n) => 10 + (n % 20)),
		);
		const at = (nowMs: number) => history.estimate({ submitAtMs: nowMs, nowMs });
		const before = at(START_MS + HOUR_MS);
		for (const n of upTo(60)) history.noteSubmitted(`slow-${n}`, START_MS + HOUR_MS + n);
		expect(before.quantileMs).toBe(27 * MINUTE_MS);
		expect(at(START_MS + HOUR_MS + MINUTE_MS).quantileMs).toBeLessThanOrEqual(before.quantileMs);
		expect(at(START_MS + 5 * HOUR_MS)).toMatchObject({ quantileMs: BATCH_WINDOW_MS, inFlight: 60 });
	});

	test("what we cancelled would have taken longer, and is no sample", () => {
		const history = new TurnaroundHistory();
		play(
			history,
			START_MS,
			upTo(100).map(() => 10),
		);
		play(
			history,
			START_MS + MINUTE_MS,
			upTo(50).map(() => 5),
			true,
		);
		const at = { submitAtMs: START_MS, nowMs: START_MS + HOUR_MS };
		expect(history.estimate(at)).toMatchObject({ samples: 100, quantileMs: 10 * MINUTE_MS });
		play(
			history,
			START_MS + 2 * MINUTE_MS,
			upTo(50).map(() => 60),
			true,
		);
		expect(history.estimate(at)).toMatchObject({ samples: 100, quantileMs: BATCH_WINDOW_MS });
	});

	test("forgets what ended more than 14 days ago, and keeps the last 500", () => {
		const history = new TurnaroundHistory();
		play(
			history,
			START_MS,
			upTo(500).map(() => 600),
		);
		play(
			history,
			START_MS + DAY_MS,
			upTo(500).map(() => 10),
		);
		expect(history.estimate({ submitAtMs: 5 * HOUR_MS, nowMs: START_MS + 2 * DAY_MS })).toMatchObject({ quantileMs: 10 * MINUTE_MS, samples: 500 });
		expect(history.estimate({ submitAtMs: 5 * HOUR_MS, nowMs: START_MS + 16 * DAY_MS })).toMatchObject({ source: "default", samples: 0 });
	});

	test("where only the newest are kept, the slow ones among those in flight do not speak for the quick ones that are forgotten", () => {
		// Ten a minute; nine of ten take five minutes, one takes eight hours. In flight are nearly only slow ones.
		const history = new TurnaroundHistory();
		const ends: { readonly id: string; readonly atMs: number }[] = [];
		for (let n = 0; n < 12_000; n += 1) {
			const atMs = START_MS + n * 6_000;
			for (let end = ends[0]; end !== undefined && end.atMs <= atMs; end = ends[0]) history.noteEnded(ends.shift()!.id, { atMs: end.atMs, isCancelled: false });
			history.noteSubmitted(`b-${n}`, atMs);
			ends.push({ id: `b-${n}`, atMs: atMs + (n % 10 === 7 ? 8 * HOUR_MS : 5 * MINUTE_MS) });
			ends.sort((left, right) => left.atMs - right.atMs);
		}
		const nowMs = START_MS + 12_000 * 6_000;
		const estimate = history.estimate({ submitAtMs: nowMs + 2 * HOUR_MS, nowMs, lateShare: 0.11 });
		expect(estimate).toMatchObject({ source: "all_hours", quantileMs: 5 * MINUTE_MS, samples: 500 });
		expect(estimate.inFlight).toBeGreaterThan(400);
		expect(history.estimate({ submitAtMs: nowMs + 2 * HOUR_MS, nowMs, lateShare: 0.09 }).quantileMs).toBe(8 * HOUR_MS);
	});

	test("a batch whose end was never told is not counted after two windows", () => {
		const history = new TurnaroundHistory();
		history.noteSubmitted("lost", START_MS);
		const inFlightAt = (nowMs: number) => history.estimate({ submitAtMs: nowMs, nowMs }).inFlight;
		expect([inFlightAt(START_MS + 47 * HOUR_MS), inFlightAt(START_MS + 49 * HOUR_MS)]).toEqual([1, 0]);
	});

	test("a second word, or one of a batch nobody knows, changes nothing", () => {
		const history = new TurnaroundHistory();
		history.noteSubmitted("a", START_MS);
		history.noteSubmitted("a", START_MS + HOUR_MS);
		expect(history.pack().inFlight).toEqual([["a", START_MS / 1_000]]);
		history.noteEnded("a", { atMs: START_MS + HOUR_MS, isCancelled: false });
		history.noteEnded("a", { atMs: START_MS + 2 * HOUR_MS, isCancelled: false });
		history.noteEnded("b", { atMs: START_MS + HOUR_MS, isCancelled: false });
		history.noteSubmitted("c", START_MS);
		history.forget("c");
		expect(history.pack()).toEqual({ version: 1, ended: [START_MS / 1_000, 3_600], inFlight: [] });
	});

	test("what is kept is bounded", () => {
		const history = new TurnaroundHistory();
		for (const n of upTo(IN_FLIGHT_KEPT + 7)) history.noteSubmitted(`b-${n}`, START_MS + n);
		const { inFlight } = history.pack();
		expect(inFlight).toHaveLength(IN_FLIGHT_KEPT);
		expect(inFlight[0]?.[0]).toBe("b-8");
		expect(() => history.noteSubmitted("x".repeat(201), START_MS)).toThrow("bounded length");
	});

	test("packs into plain JSON and comes back the same", () => {
		const history = new TurnaroundHistory();
		play(history, START_MS, upTo(120));
		play(history, START_MS + 3 * HOUR_MS, upTo(30), true);
		history.noteSubmitted("flying", START_MS + 4 * HOUR_MS);
		const packed = history.pack();
		const back = TurnaroundHistory.unpack(JSON.parse(JSON.stringify(packed)));
		const at = { submitAtMs: START_MS, nowMs: START_MS + 5 * HOUR_MS };
		expect(back.pack()).toEqual(packed);
		expect(back.estimate(at)).toEqual(history.estimate(at));
	});
});

test("hours of the week begin with a Thursday's first and come back after 168", () => {
	expect([0, HOUR_MS - 1, HOUR_MS, WEEK_MS - 1, WEEK_MS, -1].map(hourOfWeek)).toEqual([0, 0, 1, 167, 0, 167]);
});

test("nothing runs beyond the provider's window", () => {
	expect(shareStillRunning(UNKNOWN_TURNAROUND, BATCH_WINDOW_MS - 1)).toBe(1);
	expect(shareStillRunning(UNKNOWN_TURNAROUND, BATCH_WINDOW_MS)).toBe(0);
	expect(shareStillRunning(UNKNOWN_TURNAROUND, -5)).toBe(1);
});
