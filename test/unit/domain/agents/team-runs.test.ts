import { describe, expect, test } from "vitest";
import { checkTeamRuns, effectiveRuns, readTeamRuns, TEAM_RUNS_DEFAULTS, tellingRuns } from "#domain/agents/team-runs.ts";

const problemsOf = (input: unknown): string[] => {
	const checked = checkTeamRuns(input);
	return checked.kind === "valid" ? [] : checked.problems.map(({ field, problem }) => `${field}: ${problem}`);
};

test("nothing said is all as by default", () => {
	expect(checkTeamRuns({})).toEqual({ kind: "valid", value: {} });
	expect(readTeamRuns({})).toEqual(TEAM_RUNS_DEFAULTS);
	expect(readTeamRuns(null)).toEqual(TEAM_RUNS_DEFAULTS);
	expect(TEAM_RUNS_DEFAULTS.limits).toEqual({
		costNanoUsd: { hard: { at: "20000000000", action: "pause" } },
		elapsedMs: { hard: { at: 86_400_000, action: "pause" } },
		depth: { hard: { at: 8, action: "pause" } },
		width: { hard: { at: 100, action: "pause" } },
	});
});

test("a ceiling that is stated takes none of the others away", () => {
	expect(Object.keys(effectiveRuns({ limits: { steps: { hard: { at: 5, action: "stop" } } } }).limits).sort()).toEqual([
		"costNanoUsd",
		"depth",
		"elapsedMs",
		"steps",
		"width",
	]);
});

test("what says no more than the default is not kept", () => {
	expect(tellingRuns({ ...TEAM_RUNS_DEFAULTS })).toEqual({});
	expect(checkTeamRuns({ onLoop: "pause", newRunsPerHour: null, pauseHours: 24 })).toEqual({ kind: "valid", value: { pauseHours: 24 } });
});

describe("every mistake is told, with its field", () => {
	test.each<[string, unknown, string[]]>([
		["no object", 5, ["runs: must be an object with limits, most, onLoop, newRunsPerHour, pauseHours"]],
		["an unknown field", { limit: {} }, ["runs.limit: is not one of limits, most, onLoop, newRunsPerHour, pauseHours"]],
		[
			"several at once",
			{ onLoop: "go", newRunsPerHour: 0, pauseHours: 1.5 },
			[
				"runs.onLoop: must be one of pause, stop",
				"runs.newRunsPerHour: must be a whole number from 1 to 1000000",
				"runs.pauseHours: must be a whole number from 1 to 8784",
			],
		],
		["limits above most", { limits: { steps: 10 }, most: { steps: 5 } }, ["runs.limits.steps.hard.at: must not be above most's 5"]],
		["a default above most", { most: { costNanoUsd: "1000" } }, ["runs.limits.costNanoUsd.hard.at: must not be above most's 1000"]],
		["a soft line in most", { most: { steps: { soft: 4, hard: 5 } } }, ["runs.most.steps: has no soft line here: it bounds what may be asked for"]],
	])("%s", (_, input, expected) => {
		expect(problemsOf(input)).toEqual(expected);
	});
});

test("a stored field that says nothing readable holds as its default, the others as they are", () => {
	expect(readTeamRuns({ limits: { nonsense: 1 }, onLoop: "stop", newRunsPerHour: "many" })).toEqual({ ...TEAM_RUNS_DEFAULTS, onLoop: "stop" });
});
