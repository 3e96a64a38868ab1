import { describe, expect, test } from "vitest";
import { readSeriesFile } from "#test/forecast/series-file.ts";

const HEAD = "series,day,amountNanoUsd,planted";
const read = (...lines: readonly string[]) => readSeriesFile([HEAD, ...lines].join("\n"));

describe("a file of series", () => {
	test("is read in any order of lines and columns, with days between as zero", () => {
		const text = '\uFEFFamountNanoUsd,day,series,planted\r\n30,2026-11-03,"a,b",\r\n10,2026-11-01,"a,b",0\r\n';
		expect(readSeriesFile(text)).toEqual([{ name: "a,b", world: undefined, firstDay: 20_758, amountsNanoUsd: [10n, 0n, 30n], faults: [] }]);
	});

	test("numbered days begin with the series; the name may say what it is", () => {
		expect(read("stable-1,0,5,", "stable-1,1,6,")).toMatchObject([{ world: "stable", amountsNanoUsd: [5n, 6n] }]);
	});

	test.each(["", "0", "false", "none", "no", "0.0", "normal"])("%j marks no day", (mark) => {
		expect(read(`a,0,5,${mark}`)[0]?.faults).toEqual([]);
	});

	test("marked days that follow each other are one fault, of the kind they say", () => {
		expect(read("a,0,1,step", "a,1,1,step", "a,3,1,spike", "a,4,1,spike", "a,6,1,1", "a,7,1,1", "a,9,1,ramp_up")[0]?.faults).toEqual([
			{ kind: "step", first: 0, last: 1 },
			{ kind: "spike", first: 3, last: 3 },
			{ kind: "spike", first: 4, last: 4 },
			{ kind: "unknown", first: 6, last: 7 },
			{ kind: "ramp", first: 9, last: 9 },
		]);
	});

	test.each([
		["an amount that is not whole", "a,0,1.5,", "line 2: amountNanoUsd"],
		["no amount", "a,0,,", "line 2: amountNanoUsd"],
		["a day that is none", "a,2026-02-30,1,", "line 2: day"],
		["a field too many", "a,0,1,,x", "line 2: 5 fields"],
		["a series without a name", ",0,1,", "line 2: series"],
		["a quote that does not fit", 'a"b,0,1,', "line 2: a quote"],
	])("%s is told with its line", (_, line, problem) => {
		expect(() => read(line)).toThrow(problem);
	});

	test("a day twice, a missing column and a file without series are told with their lines", () => {
		expect(() => read("a,0,1,", "b,0,1,", "a,0,2,")).toThrow("line 4: a second amount");
		expect(() => readSeriesFile("series,day,planted\n")).toThrow("line 1: no column amountNanoUsd");
		expect(() => readSeriesFile(`${HEAD}\n`)).toThrow("line 2: there is no line");
	});
});
