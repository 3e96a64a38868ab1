import { describe, expect, test } from "vitest";
import { BARS, exitCodeOf, judgeBar, verdictOf } from "../../../bench/judge/bars.ts";
import { Figures, P50 } from "../../../bench/judge/figures.ts";
import type { LaneName } from "../../../bench/lanes/lane.ts";
import { highestRate } from "../../../bench/rounds/run-frontier.ts";
import { recordWindow, type WindowRecord } from "../../../bench/rounds/window-record.ts";
import { createRandom } from "../../../bench/statistics/random.ts";

const LOAD = { core1Busy: 0.2, core0Foreign: 0, stolenTicks: 0, ticks: 200, gatewayNs: 1_000_000n };

/** A window whose calls all took `latencyMs`. */
function windowOf(lane: LaneName, round: number, latencyMs: number, load = LOAD): WindowRecord {
	const latenciesNs = new Float64Array(100).fill(latencyMs * 1e6);
	const empty = new Float64Array();
	const result = {
		sent: 100,
		right: 100,
		wrong: 0,
		failed: 0,
		failures: {},
		dropped: 0,
		elapsedMs: 1_000 / latencyMs,
		latenciesNs,
		lagsNs: empty,
		firstTokensNs: empty,
		gapsNs: empty,
	};
	return recordWindow({ lane, scenario: "caller-1", round, ratePerSecond: 100 }, result, { load, residentBytes: 100e6 + round });
}

/** Rounds of a machine that is slower every round, by the same for everybody. */
function rounds(lanes: Readonly<Record<string, number>>, count = 5): WindowRecord[] {
	return Array.from({ length: count }, (_, round) =>
		Object.entries(lanes).map(([lane, latencyMs]) => windowOf(lane as LaneName, round, latencyMs + round)),
	).flat();
}

describe("figures", () => {
	test("what a lane adds is a difference within a round: what all share goes out", () => {
		const figures = new Figures(rounds({ direct: 1, floor: 2, governed: 4 }), createRandom(1));
		const added = figures.added("caller-1", "governed", P50);
		expect(added.median).toBeCloseTo(3, 1);
		expect(added.high - added.low).toBeLessThan(0.05);
		expect(figures.addedRatio("caller-1", ["governed", "floor"], P50).median).toBeCloseTo(3, 1);
	});

	test("void windows are left out, and a round without one of the lanes says nothing of their ratio", () => {
		const records = rounds({ direct: 1, floor: 2, governed: 4 });
		const broken = records.map((record) =>
			record.lane === "floor" && record.round < 2 ? windowOf("floor", record.round, 90, { ...LOAD, core1Busy: 1 }) : record,
		);
		const figures = new Figures(broken, createRandom(1));
		expect(figures.of("caller-1", "floor")).toHaveLength(3);
		expect(figures.addedRatio("caller-1", ["governed", "floor"], P50).rounds).toBe(3);
	});

	test("a window run again stands in for the void one before it", () => {
		const again = [windowOf("floor", 0, 90, { ...LOAD, stolenTicks: 50 }), windowOf("floor", 0, 2)];
		expect(new Figures(again, createRandom(1)).plain("caller-1", "floor", P50).median).toBeCloseTo(2, 1);
	});

	test("over something that adds nothing no ratio is finite, so that no bar is met by it", () => {
		const ratio = new Figures(rounds({ direct: 2, floor: 2, governed: 4 }), createRandom(1)).addedRatio("caller-1", ["governed", "floor"], P50);
		expect(verdictOf({ sense: "most", limit: 1.6 }, ratio)).not.toBe("met");
	});
});

describe("bars", () => {
	const of = (low: number, high: number) => ({ median: (low + high) / 2, low, high, rounds: 5 });

	test("a bar is met or missed only by the whole interval", () => {
		const verdicts = [of(1.2, 1.5), of(1.4, 1.8), of(1.7, 2)].map((figure) => [
			verdictOf({ sense: "most", limit: 1.6 }, figure),
			verdictOf({ sense: "least", limit: 1.6 }, figure),
		]);
		expect(verdicts).toEqual([
			["met", "missed"],
			["unclear", "unclear"],
			["missed", "met"],
		]);
	});

	test("a bar of a peer that was not served is not judged; one that no good window speaks of is unclear", () => {
		const verdictsOf = (records: WindowRecord[]) => BARS.slice(0, 2).map((bar) => judgeBar(bar, new Figures(records, createRandom(1))).verdict);
		expect(verdictsOf(rounds({ direct: 1, floor: 2, governed: 2.2 }))).toEqual(["met", "not_judged"]);
		const noisy = ["direct", "floor", "governed", "portkey"].map((lane) => windowOf(lane as LaneName, 0, 2, { ...LOAD, core1Busy: 1 }));
		expect(verdictsOf(noisy)).toEqual(["unclear", "unclear"]);
		expect(exitCodeOf(verdictsOf(noisy), false)).toBe(2);
	});

	test("steady memory is judged by its own samples, and not at all where they were not asked for", () => {
		const bar = BARS.find(({ name }) => name === "steady memory") ?? expect.fail("no such bar");
		const verdictOfSamples = (samples: readonly number[]) => judgeBar(bar, new Figures(rounds({ direct: 1, governed: 2 }), createRandom(1), samples)).verdict;
		const samples = [[120, 122, 124, 125], [180, 182, 184, 185], [130, 140, 160, 170], []];
		expect(samples.map(verdictOfSamples)).toEqual(["met", "missed", "unclear", "not_judged"]);
	});

	test("exit codes: 1 for a miss or a void lane, 2 for an unclear bar, 0 else", () => {
		expect(exitCodeOf(["met", "unclear", "missed"], false)).toBe(1);
		expect(exitCodeOf(["met"], true)).toBe(1);
		expect(exitCodeOf(["met", "unclear", "not_judged"], false)).toBe(2);
		expect(exitCodeOf(["met", "not_judged"], false)).toBe(0);
	});
});

test("the frontier ends at the first rung that breaks the bound, whatever comes after", () => {
	const rung = (ratePerSecond: number, addedP99Ms: number, failed = 0) => ({ ratePerSecond, addedP99Ms, failed, isVoid: false });
	const rungs = [rung(500, 0.5), rung(1_000, 4), rung(2_000, 0.8), rung(4_000, 9, 3)];
	expect([1, 5, 10].map((bound) => highestRate(rungs, bound))).toEqual([500, 2_000, 2_000]);
	expect(highestRate([rung(500, 200)], 100)).toBe(0);
});
