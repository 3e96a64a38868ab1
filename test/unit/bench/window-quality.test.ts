import { expect, test } from "vitest";
import { whyVoid } from "../../../bench/judge/window-quality.ts";

const QUIET = { core1Busy: 0.5, core0Foreign: 0, stolenTicks: 0, ticks: 200 };
const GOOD = { sent: 1_000, dropped: 1, lagsNs: Array.from({ length: 1_000 }, () => 100_000) };

test("a window is good at its limits and void beyond each of them", () => {
	expect(whyVoid(GOOD, { ...QUIET, core1Busy: 0.9, stolenTicks: 2 })).toEqual([]);
	expect(whyVoid({ ...GOOD, lagsNs: GOOD.lagsNs.map((lag, index) => (index < 20 ? 1_100_000 : lag)) }, QUIET)).toEqual([
		expect.stringContaining("late at p99"),
	]);
	expect(whyVoid({ ...GOOD, dropped: 2 }, QUIET)).toEqual([expect.stringContaining("no free connection")]);
	expect(whyVoid(GOOD, { ...QUIET, stolenTicks: 3 })).toEqual([expect.stringContaining("the host took")]);
	expect(whyVoid(GOOD, { ...QUIET, core1Busy: 0.91 })).toEqual([expect.stringContaining("core 1 was 91.0 % busy")]);
});

test("one tick of steal in a short window is below what can be told", () => {
	expect(whyVoid(GOOD, { ...QUIET, stolenTicks: 1, ticks: 60 })).toEqual([]);
	expect(whyVoid(GOOD, { ...QUIET, stolenTicks: 2, ticks: 60 })).toHaveLength(1);
});

test("a closed loop has no send times to be late for", () => {
	expect(whyVoid({ ...GOOD, lagsNs: [] }, QUIET)).toEqual([]);
});
