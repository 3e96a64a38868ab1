import { expect, test } from "vitest";
import { SimulatedClock } from "../../../../simulator/batches/clock.ts";
import { chance, drawTurnaroundMs } from "../../../../simulator/batches/seeded.ts";

const HOUR_MS = 3_600_000;

/** A clock beside a machine whose time the test tells. */
function clockAt(realMs: number) {
	const machine = { realMs };
	return { machine, clock: new SimulatedClock(undefined, () => machine.realMs) };
}

test("time runs with the machine, faster at a pace, and a day passes at once", () => {
	const { machine, clock } = clockAt(1_000);
	machine.realMs += 500;
	expect(clock.nowMs()).toBe(1_500);
	clock.setPace(60);
	machine.realMs += 1_000;
	expect(clock.nowMs()).toBe(61_500);
	expect(clock.realMsUntil(61_500 + 120_000)).toBe(2_000);
	clock.advance(24 * HOUR_MS);
	expect(clock.nowMs()).toBe(61_500 + 24 * HOUR_MS);
	expect(clock.realMsUntil(0)).toBe(0);
});

test("time never goes back: not by a word, not by the machine", () => {
	const { machine, clock } = clockAt(10_000);
	expect(clock.setForward(9_999)).toBe(false);
	expect(clock.setForward(20_000)).toBe(true);
	machine.realMs -= 5_000;
	expect(clock.nowMs()).toBe(20_000);
});

test("a clock that stands still waits for ever, and goes on from where it stood", () => {
	const { machine, clock } = clockAt(0);
	clock.setPace(0);
	machine.realMs += HOUR_MS;
	expect(clock.nowMs()).toBe(0);
	expect(clock.realMsUntil(1)).toBe(Number.POSITIVE_INFINITY);
});

test("a restart goes on with the anchor: what passed meanwhile passed here too", () => {
	const { clock } = clockAt(0);
	clock.setPace(10);
	clock.advance(HOUR_MS);
	expect(new SimulatedClock(clock.anchor, () => 1_000).nowMs()).toBe(HOUR_MS + 10_000);
});

test("turnarounds: 70 % below an hour, 20 % to four, 10 % from eight to twenty-four, and the same for the same seed", () => {
	const batches = 20_000;
	const drawn = Array.from({ length: batches }, (_, ordinal) => drawTurnaroundMs(7, ordinal));
	const shareOf = (fromMs: number, toMs: number) => drawn.filter((ms) => ms >= fromMs && ms < toMs).length / batches;
	expect(shareOf(2 * 60_000, HOUR_MS)).toBeCloseTo(0.7, 1);
	expect(shareOf(HOUR_MS, 4 * HOUR_MS)).toBeCloseTo(0.2, 1);
	expect(shareOf(8 * HOUR_MS, 24 * HOUR_MS)).toBeCloseTo(0.1, 1);
	expect(shareOf(2 * 60_000, HOUR_MS) + shareOf(HOUR_MS, 4 * HOUR_MS) + shareOf(8 * HOUR_MS, 24 * HOUR_MS)).toBeCloseTo(1, 9);
	expect(drawn).toEqual(Array.from({ length: batches }, (_, ordinal) => drawTurnaroundMs(7, ordinal)));
	expect(drawn).not.toEqual(Array.from({ length: batches }, (_, ordinal) => drawTurnaroundMs(8, ordinal)));
});

test("dice of neighbours are spread evenly and do not hang together", () => {
	const throws = Array.from({ length: 20_000 }, (_, n) => chance(1, "fails", 3, n));
	const below = (limit: number) => throws.filter((value) => value < limit).length / throws.length;
	expect(below(0.1)).toBeCloseTo(0.1, 1);
	expect(below(0.5)).toBeCloseTo(0.5, 1);
	const rises = throws.filter((value, index) => index > 0 && value > (throws[index - 1] ?? 0)).length / throws.length;
	expect(rises).toBeCloseTo(0.5, 1);
});
