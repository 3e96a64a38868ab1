import { describe, expect, test } from "vitest";
import { type CpuProfile, summarizeProfile } from "../../../bench/measurements/cpu-profile.ts";
import { slopeOf } from "../../../bench/measurements/memory.ts";
import { mostWithin } from "../../../bench/measurements/message-rate.ts";

describe("message rates", () => {
	const at = (...times: number[]) => times.map((atMs) => ({ teamId: "a", atMs }));

	test("the most in any second, wherever it begins; a message a whole second later is not within it", () => {
		expect(mostWithin(at(0, 600, 900, 1_500, 1_599, 3_000), 1_000)).toBe(4);
		expect(mostWithin(at(0, 1_000, 2_000), 1_000)).toBe(1);
		expect(mostWithin([], 1_000)).toBe(0);
	});
});

describe("slope", () => {
	test("is that of the line through the points", () => {
		expect(
			slopeOf([
				[0, 100],
				[1, 102],
				[2, 104],
			]),
		).toBeCloseTo(2);
		expect(
			slopeOf([
				[0, 5],
				[1, 5],
				[2, 5],
			]),
		).toBe(0);
		expect(slopeOf([[1, 5]])).toBeNaN();
	});
});

describe("profiles", () => {
	const frame = (functionName: string, url = "") => ({ functionName, url, lineNumber: 9 });
	const profile: CpuProfile = {
		startTime: 1_000,
		nodes: [
			{ id: 1, callFrame: frame("(idle)") },
			{ id: 2, callFrame: frame("append", "file:///x/activities/ledger/journal.ts") },
			{ id: 3, callFrame: frame("dispatch", "file:///x/node_modules/undici/lib/pool.js") },
			{ id: 4, callFrame: frame("writeHead", "node:_http_server") },
			{ id: 5, callFrame: frame("(garbage collector)") },
		],
		samples: [2, 1, 2, 3, 4, 5, 2],
		timeDeltas: [10, 500, 30, 20, 40, 10, 1_000],
	};

	test("self time within the span is told by part and by function, idle left out", () => {
		const { areas, functions } = summarizeProfile(profile, { fromUs: 1_000, toUs: 1_700 });
		expect(areas.map(({ name, share }) => [name, Math.round(share * 110)])).toEqual([
			["activities/ledger", 40],
			["node:_http_server", 40],
			["undici", 20],
			["(garbage collector)", 10],
		]);
		expect(functions[0]?.name).toBe("append ledger/journal.ts:10");
	});
});
