import { describe, expect, test } from "vitest";
import { checkFile } from "#test/forecast/check-file.ts";
import type { FaultKind, JudgedSeries } from "#test/forecast/series.ts";
import { drawWatchedSeries } from "#test/forecast/worlds.ts";

/** The check of a file must be able to say no. */

const KINDS: readonly (FaultKind | undefined)[] = ["spike", "step", "ramp", undefined];
const drawn = Array.from({ length: 24 }, (_, index) => drawWatchedSeries(KINDS[index % 4], 1_000 + index));
const check = (series: readonly JudgedSeries[]) => checkFile(series, { seed: 1, onProgress: () => undefined });

describe("series of a file", () => {
	test("are judged by their months and their marks", () => {
		const { forecasts, anomalies } = check(drawn);
		expect(forecasts["steady"]?.forecasts).toBeGreaterThan(20);
		expect(anomalies).toMatchObject({ series: 24, planted: 18 });
		expect(anomalies.foundPercent).toBeGreaterThan(85);
		expect(anomalies.falseAlarmsPer90Days).toBeLessThan(1.5);
	});

	test("with marks on ordinary days miss, and so do faults that are not marked", () => {
		const marked = drawn.map((series) => ({ ...series, faults: [20, 50, 80].map((day) => ({ kind: "spike" as const, first: day, last: day })) }));
		expect(check(marked).misses).toContainEqual(expect.stringContaining("of the planted faults are found"));
		const wild = drawn.map((series) => ({
			...series,
			faults: [],
			amountsNanoUsd: series.amountsNanoUsd.map((amount, day) => (day % 30 === 29 ? amount * 5n : amount)),
		}));
		expect(check(wild).misses).toContainEqual(expect.stringContaining("false alarms"));
	});

	test("months with a fault still to come are not held against a forecast", () => {
		const all = drawn.map((series) => ({ ...series, faults: [{ kind: "step" as const, first: 0, last: series.amountsNanoUsd.length - 1 }] }));
		expect(check(all).forecasts["steady"]?.forecasts).toBe(0);
	});
});
