import { describe, expect, test } from "vitest";
import { BARS, exitCodeOf, judgeBar, verdictOf } from "../../../bench/judge/bars.ts";
import { Figures, P50 } from "../../../bench/judge/figures.ts";
import type { LaneName, RunningLane } from "../../../bench/lanes/lane.ts";
import type { Load, LoadGenerator } from "../../../bench/rounds/load-generator.ts";
import { highestRate } from "../../../bench/rounds/run-frontier.ts";
import { runRound, warmUp } from "../../../bench/rounds/run-rounds.ts";
import { recordWindow, type WindowRecord } from "../../../bench/rounds/window-record.ts";
import type { Scenario } from "../../../bench/scenarios.ts";
import { createRandom } from "../../../bench/statistics/random.ts";

const LOAD = { core1Busy: 0.2, core0Foreign: 0, stolenTicks: 0, ticks: 200, gatewayNs: 1_000_000n };

/** The core of the load is full: the window is void. */
const BUSY = { ...LOAD, core1Busy: 1 };

/** A window whose calls all took `latencyMs`. */
function windowOf(lane: LaneName, round: number, latencyMs: number, { load = LOAD, part = 0 } = {}): WindowRecord {
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
	return recordWindow({ lane, scenario: "caller-1", round, part, ratePerSecond: 100 }, result, { load, residentBytes: 100e6 + round });
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
		const broken = records.map((record) => (record.lane === "floor" && record.round < 2 ? windowOf("floor", record.round, 90, { load: BUSY }) : record));
		const figures = new Figures(broken, createRandom(1));
		expect(figures.of("caller-1", "floor")).toHaveLength(3);
		expect(figures.addedRatio("caller-1", ["governed", "floor"], P50).rounds).toBe(3);
	});

	test("a window run again stands in for the void one before it", () => {
		const again = [windowOf("floor", 0, 90, { load: { ...LOAD, stolenTicks: 50 } }), windowOf("floor", 0, 2)];
		expect(new Figures(again, createRandom(1)).plain("caller-1", "floor", P50).median).toBeCloseTo(2, 1);
	});

	test("what is compared is made of the parts in which every lane is good: what one lane met alone says nothing", () => {
		const records = [1, 2, 3].flatMap((round) => [
			...(["direct", "floor", "governed"] as const).map((lane, index) => windowOf(lane, round, [1, 2, 4][index] ?? 0)),
			windowOf("direct", round, 50, { part: 1 }),
			windowOf("floor", round, 50, { load: BUSY, part: 1 }),
			windowOf("governed", round, 90, { part: 1 }),
		]);
		const figures = new Figures(records, createRandom(1));
		expect(figures.addedRatio("caller-1", ["governed", "floor"], P50)).toMatchObject({ median: expect.closeTo(3, 1), rounds: 3 });
		// By itself it is the window that both parts make.
		expect(figures.of("caller-1", "governed").map(({ sent, latency }) => [sent, Math.round(latency.percentileMs(100))])).toEqual([
			[200, 90],
			[200, 90],
			[200, 90],
		]);
	});

	test("a round with less than half of its parts is left out", () => {
		const partsOf = (round: number, good: number) => [0, 1, 2].map((part) => windowOf("floor", round, 2, { load: part < good ? LOAD : BUSY, part }));
		expect(new Figures([...partsOf(1, 1), ...partsOf(2, 2), ...partsOf(3, 3)], createRandom(1)).of("caller-1", "floor")).toHaveLength(2);
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
		const noisy = ["direct", "floor", "governed", "portkey"].map((lane) => windowOf(lane as LaneName, 0, 2, { load: BUSY }));
		expect(verdictsOf(noisy)).toEqual(["unclear", "unclear"]);
		expect(exitCodeOf(verdictsOf(noisy), false)).toBe(2);
	});

	test("a bar whose windows were not asked for is not judged, though its lanes were served for others", () => {
		const figures = new Figures(rounds({ direct: 1, floor: 2, governed: 2.2, "governed-run": 2.3 }), createRandom(1));
		const verdicts = BARS.map((bar) => [bar.scenario, judgeBar(bar, figures).verdict]);
		expect(verdicts.filter(([, verdict]) => verdict !== "not_judged")).toEqual([["caller-1", "met"]]);
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

describe("a round", () => {
	const scenario = {
		name: "caller-1",
		title: "",
		lanes: ["direct", "floor"],
		latencyMs: 0,
		isStream: false,
		prompt: 256,
		connections: 4,
		ratePerSecond: 100,
	} as const;
	const pace = { isQuick: false, rounds: 1, warmUpMs: 0, retriesPerWindow: 0.5 };
	const lanes = ["direct", "floor"].map((name) => ({ name })) as unknown as RunningLane[];

	/** What was run, in order: lane, length, whether it was measured. */
	async function runOf(given: Partial<Scenario>, isVoid: (measured: number) => boolean = () => false) {
		const ran: [string, number, boolean][] = [];
		const generator = {
			run: async ({ name }: RunningLane, { durationMs }: Load) => ran.push([name, durationMs, false]),
			measure: async ({ name }: RunningLane, { durationMs }: Load, { round, part }: WindowRecord) => {
				ran.push([name, durationMs, true]);
				const measured = ran.filter(([, , wasMeasured]) => wasMeasured).length;
				return windowOf(name, round, 1, { load: isVoid(measured) ? BUSY : LOAD, part });
			},
		} as unknown as LoadGenerator;
		const scenarios = [{ ...scenario, quickMs: 500, fullMs: 6_000, ...given }];
		const records = await runRound({ generator, lanes, scenarios, pace, random: createRandom(1), onWindow: () => undefined }, 7);
		return { ran, records };
	}

	test("its lanes take turns, part by part, each part after its lead-in", async () => {
		const { ran, records } = await runOf({ fullParts: 3, leadIn: { quickMs: 0, fullMs: 1_000, pace: "paced" } });
		expect(records.map(({ round, part }) => [round, part])).toEqual([0, 0, 1, 1, 2, 2].map((part) => [7, part]));
		for (const part of [0, 1, 2])
			expect(new Set(records.filter((record) => record.part === part).map(({ lane }) => lane))).toEqual(new Set(["direct", "floor"]));
		expect(ran.map(([, durationMs, wasMeasured]) => [durationMs, wasMeasured])).toEqual(
			Array.from({ length: 6 }, () => [
				[1_000, false],
				[2_000, true],
			]).flat(),
		);
	});

	test("a void part is run again until it is not, as long as the round has retries left; all are kept", async () => {
		const { records } = await runOf({ fullParts: 2 }, (measured) => [1, 3, 6].includes(measured));
		expect(records.map(({ part, voidBecause }) => [part, voidBecause.length > 0])).toEqual([
			[0, true],
			[0, false],
			[0, true],
			[0, false],
			[1, false],
			[1, true],
		]);
		expect(new Set([0, 2, 3].map((at) => records[at]?.lane)).size).toBe(1);
	});
});

describe("a warm-up", () => {
	/** What each lane is sent, while so many calls are answered in a run. */
	async function sentIn(callsPerRun: number) {
		const sent: [string, unknown, number][] = [];
		const generator = {
			run: async ({ name }: RunningLane<string>, { prompt, durationMs }: Load) => sent.push([name, prompt, durationMs]),
			tally: ({ name }: RunningLane<string>) => ({ sent: sent.filter(([lane]) => lane === name).length * callsPerRun }),
		} as unknown as LoadGenerator;
		const lanes = ["floor", "governed"].map((name) => ({ name })) as unknown as RunningLane<string>[];
		await warmUp({ generator, lanes, warmUpMs: 8_000 });
		return sent;
	}

	test("its lanes take turns in parts, whose connections end with them, with plain prompts and with steps", async () => {
		const parts = [256, "step", 256, "step"];
		expect(await sentIn(10_000)).toEqual(parts.flatMap((prompt) => ["floor", "governed"].map((lane) => [lane, prompt, 2_000])));
	});

	test("it goes on until a lane has answered 500 calls", async () => {
		const ofFloor = (await sentIn(90)).filter(([lane]) => lane === "floor");
		expect(ofFloor).toHaveLength(6);
	});
});

test("the frontier ends at the first rung that breaks the bound, whatever comes after", () => {
	const rung = (ratePerSecond: number, addedP99Ms: number, failed = 0) => ({ ratePerSecond, addedP99Ms, failed, isVoid: false });
	const rungs = [rung(500, 0.5), rung(1_000, 4), rung(2_000, 0.8), rung(4_000, 9, 3)];
	expect([1, 5, 10].map((bound) => highestRate(rungs, bound))).toEqual([500, 2_000, 2_000]);
	expect(highestRate([rung(500, 200)], 100)).toBe(0);
});
