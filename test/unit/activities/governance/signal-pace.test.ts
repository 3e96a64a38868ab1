import fc from "fast-check";
import { expect, test } from "vitest";
import { SIGNALS_PER_SECOND, SignalPace } from "#activities/governance/signal-pace.ts";

function takeAll(pace: SignalPace, count: number, { nowMs, isCrossing }: { readonly nowMs: number; readonly isCrossing: boolean }): number[] {
	return Array.from({ length: count }, () => pace.take(nowMs, isCrossing));
}

test("whatever is asked for when, no second has more than 50 signals", () => {
	const asks = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 300 }), isCrossing: fc.boolean(), count: fc.integer({ min: 1, max: 40 }) }), {
		minLength: 1,
	});
	fc.assert(
		fc.property(asks, (list) => {
			const pace = new SignalPace();
			let nowMs = 0;
			const times = list.flatMap(({ afterMs, isCrossing, count }) => {
				nowMs += afterMs;
				return takeAll(pace, count, { nowMs, isCrossing });
			});
			times.forEach((atMs, index) => {
				expect(atMs).toBeGreaterThanOrEqual(times[index - 1] ?? 0);
				expect(atMs - (times[index - SIGNALS_PER_SECOND] ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(1_000);
			});
		}),
	);
});

test("fifty crossings a second, all at once each time, wait for little more than a second, also after a minute", () => {
	const pace = new SignalPace();
	// What moved has used every place before.
	let nowMs = 0;
	while (nowMs < 2_000) nowMs = pace.take(nowMs, false);
	const waits = Array.from({ length: 60 }, (_, second) => {
		const atMs = nowMs + second * 1_000;
		return Math.max(...takeAll(pace, SIGNALS_PER_SECOND, { nowMs: atMs, isCrossing: true })) - atMs;
	});
	expect(Math.max(...waits)).toBeLessThan(1_400);
});

test("however much moved, ten crossings find a place at once", () => {
	const pace = new SignalPace();
	const ordinary = takeAll(pace, 40, { nowMs: 0, isCrossing: false });
	expect(new Set(ordinary)).toEqual(new Set([0]));
	expect(pace.freeAtMs(100, false)).toBeGreaterThan(1_000);
	expect(takeAll(pace, 10, { nowMs: 100, isCrossing: true })).toEqual(Array.from({ length: 10 }, () => 100));
	expect(pace.freeAtMs(100, true)).toBeGreaterThan(1_000);
});

test("as many places as crossings took lately are kept for those that come next, and what moved has them again when none come", () => {
	const pace = new SignalPace();
	takeAll(pace, 30, { nowMs: 0, isCrossing: true });
	const ordinary = takeAll(pace, 15, { nowMs: 300, isCrossing: false });
	expect(ordinary.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 300));
	// The 30 are more than a second old by then, but within two of them there may be as many again.
	expect(ordinary[10]).toBeGreaterThan(1_300);
	expect(takeAll(pace, 30, { nowMs: 1_310, isCrossing: true })).toEqual(Array.from({ length: 30 }, () => 1_310));
	expect(takeAll(pace, 40, { nowMs: 5_000, isCrossing: false })).toEqual(Array.from({ length: 40 }, () => 5_000));
});

test("while fifty cross in each second nothing else takes a place of theirs, however much moved", () => {
	const pace = new SignalPace();
	const waits: number[] = [];
	for (let second = 0; second < 20; second++) {
		const nowMs = second * 1_020;
		const crossings = takeAll(pace, SIGNALS_PER_SECOND, { nowMs, isCrossing: true });
		waits.push(Math.max(...crossings) - nowMs);
		// What moved asks all the time, and leaves only what is free before the next crossings come.
		for (let askedMs = nowMs + 500; askedMs < nowMs + 1_020; askedMs += 5) if (pace.freeAtMs(askedMs, false) <= askedMs) pace.take(askedMs, false);
	}
	expect(Math.max(...waits)).toBeLessThanOrEqual(10);
});
