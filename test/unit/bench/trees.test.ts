import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { LatencyHistogram } from "../../../bench/statistics/latency-histogram.ts";
import { createRandom } from "../../../bench/statistics/random.ts";
import { compareTrees } from "../../../bench/trees/compare.ts";
import { readTree } from "../../../bench/trees/tree.ts";

const folder = mkdtempSync(path.join(tmpdir(), "bench-trees-"));
mkdirSync(path.join(folder, "gateway"));
writeFileSync(path.join(folder, "gateway/main.ts"), "");
afterAll(() => rmSync(folder, { recursive: true }));

describe("trees that are compared", () => {
	test("are given as name=folder, with what else is to be so", () => {
		expect(readTree(`new=${folder}`)).toEqual({ name: "new", folder, hasRuns: false, nodeFlags: [] });
		expect(readTree(`step=${folder},run,--max-semi-space-size=8`)).toEqual({ name: "step", folder, hasRuns: true, nodeFlags: ["--max-semi-space-size=8"] });
	});

	test.each([
		["new", "name=folder"],
		[`New=${folder}`, "lower case"],
		[`direct=${folder}`, "neither direct nor floor"],
		["new=", "no gateway/main.ts in no folder"],
		[`new=${folder}/gateway`, "no gateway/main.ts"],
		[`new=${folder},runs`, 'not "runs"'],
	])("%s is refused in words", (text, words) => {
		expect(() => readTree(text)).toThrow(words);
	});
});

describe("how they stand to each other", () => {
	const window = (lane: string, round: number, p50Ms: number, isVoid = false) => ({
		lane,
		round,
		voidBecause: isVoid ? ["the host took 5 % of the CPU"] : [],
		latency: LatencyHistogram.of([p50Ms * 1e6]),
		cpuSecondsPerThousand: p50Ms / 4,
		answeredPerSecond: 400,
	});
	const of = (lines: readonly string[], lane: string) => lines.filter((line) => line.startsWith(lane)).map((line) => line.split(/ {2,}/));

	test("is told by what they add, over rounds in which both are good", () => {
		const records = [1, 2, 3, 4].flatMap((round) => [
			window("direct", round, 0.2),
			window("old", round, 0.6),
			window("new", round, round === 4 ? 9 : 0.5, round === 4),
		]);
		const lines = compareTrees(records, ["old", "new", "direct"], createRandom(1));
		expect(of(lines, "new")).toEqual([
			["new", "0.500 (0.500..0.500)", "0.500 (0.500..0.500)", "125 (125..125)", "3/4"],
			["new", "0.750 (0.750..0.750)", "0.750 (0.750..0.750)", "0.833 (0.833..0.833)", "1.000 (1.000..1.000)"],
		]);
		expect(of(lines, "direct")).toHaveLength(1);
	});

	test("is not told without a round in which both are good", () => {
		const records = [window("direct", 1, 0.2), window("old", 1, 0.6, true), window("new", 1, 0.5)];
		expect(of(compareTrees(records, ["old", "new"], createRandom(1)), "new")[1]).toEqual(["new", "-", "-", "-", "-"]);
	});
});
