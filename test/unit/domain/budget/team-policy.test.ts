import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { TeamPolicy } from "#activities/request/port.ts";
import { DEFAULT_TEAM_POLICY, readTeamPolicy } from "#domain/budget/team-policy.ts";

test("the defaults are a whole policy of the request layer", () => {
	const policy: TeamPolicy = readTeamPolicy({}).policy;
	expect(policy).toEqual({
		admissionWaitMs: 5_000,
		clampFloorTokens: 256,
		clampFloorReasoningTokens: 4_096,
		mayLowerCallerCap: false,
		unknownFields: "refuse",
		onDisconnect: "drain",
		outageAllowanceNanoUsd: 0,
		outageAllowanceTokens: 0,
		maxCallMs: 900_000,
		velocitySigmas: 6,
		velocityMinimumNanoUsd: 5_000_000_000,
		velocityThrottleMinutes: 15,
	});
});

test("stored values go over the defaults", () => {
	expect(readTeamPolicy({ admissionWaitMs: 0, unknownFields: "pass" })).toEqual({
		policy: { ...DEFAULT_TEAM_POLICY, admissionWaitMs: 0, unknownFields: "pass" },
		problems: [],
	});
});

test.each([
	["admissionWaitMs", -1],
	["admissionWaitMs", 60_001],
	["clampFloorTokens", 0],
	["maxCallMs", 1.5],
	["outageAllowanceNanoUsd", -1],
	["outageAllowanceNanoUsd", 1e16],
	["unknownFields", "ignore"],
	["onDisconnect", true],
	["mayLowerCallerCap", "yes"],
	["typo", 1],
])("%s = %j is a problem of that field, and the default stays", (field, value) => {
	const { policy, problems } = readTeamPolicy({ [field]: value });
	expect(problems.map((problem) => problem.field)).toEqual([field]);
	expect(policy).toEqual(DEFAULT_TEAM_POLICY);
});

test("docs/policy.md lists every field with its default and its bounds", () => {
	const [, page = ""] = readFileSync(new URL("../../../../docs/policy.md", import.meta.url), "utf8").split("\n## Settings of a team\n");
	const rows = [...page.matchAll(/^\| `(\w+)` \| `([^`]+)` \| (?:(\d+) to (\d+))?/gm)];
	expect(Object.fromEntries(rows.map(([, field, value]) => [field, JSON.parse(value ?? "")]))).toEqual(DEFAULT_TEAM_POLICY);
	for (const [, field, , min, max] of rows.filter((row) => row[3] !== undefined)) {
		const problemsOf = (value: number) => readTeamPolicy({ [field ?? ""]: value }).problems.length;
		expect([field, ...[Number(min) - 1, Number(min), Number(max), Number(max) + 1].map(problemsOf)]).toEqual([field, 1, 0, 0, 1]);
	}
});
