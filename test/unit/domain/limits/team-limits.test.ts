import { describe, expect, test } from "vitest";
import { checkTeamLimits, NO_LIMITS, readTeamLimits, type TeamLimits } from "#domain/limits/team-limits.ts";

const LIMITS: TeamLimits = {
	caps: [
		{ feature: null, outputTokens: 4_000, costNanoUsd: "1000000000" },
		{ feature: "search", inputTokens: 10_000 },
	],
	rates: [
		{ dimension: "team", dimensionValue: "", requestsPerMinute: 600, tokensPerMinute: 1_000_000 },
		{ dimension: "user", dimensionValue: "*", inFlight: 2 },
		{ dimension: "user", dimensionValue: "ann", inFlight: 1 },
	],
};

function problemsOf(input: unknown): string[] {
	const checked = checkTeamLimits(input);
	return checked.kind === "valid" ? [] : checked.problems.map(({ field, problem }) => `${field} ${problem}`);
}

describe("limits of a team", () => {
	test("what is right is taken as it is, also twice", () => {
		const once = checkTeamLimits(LIMITS);
		expect(once).toEqual({ kind: "valid", value: LIMITS });
		expect(checkTeamLimits(JSON.parse(JSON.stringify(LIMITS)))).toEqual(once);
	});

	test("nothing is no limit", () => {
		expect(checkTeamLimits({})).toEqual({ kind: "valid", value: NO_LIMITS });
		expect(readTeamLimits({})).toEqual(NO_LIMITS);
		expect(readTeamLimits(undefined)).toEqual(NO_LIMITS);
	});

	test("every mistake is named at once, each with its field", () => {
		expect(
			problemsOf({
				caps: [{ feature: "a|b", inputTokens: 0 }, { feature: null }, { feature: null, costNanoUsd: "-1" }, { output: 3 }],
				rates: [
					{ dimension: "provider", requestsPerMinute: 1 },
					{ dimension: "team", dimensionValue: "search", requestsPerMinute: 1.5 },
					{ dimension: "user", inFlight: "2" },
					{ dimension: "key", dimensionValue: "key_1" },
					{ dimension: "key", dimensionValue: "key_1", tokensPerMinute: 5 },
				],
				limits: 1,
			}),
		).toEqual([
			"limits.limits is not known here; known are caps, rates",
			"limits.caps[0].feature must hold no quote, backslash or |",
			"limits.caps[0].inputTokens must be a whole number from 1 to 1000000000",
			"limits.caps[1] names no cap: inputTokens, outputTokens or costNanoUsd",
			"limits.caps[2].costNanoUsd must not be negative",
			"limits.caps[3].output is not known here; known are feature, inputTokens, outputTokens, costNanoUsd",
			"limits.caps[3] names no cap: inputTokens, outputTokens or costNanoUsd",
			"limits.rates[0].dimension must be one of team, feature, user, model, key",
			"limits.rates[1].dimensionValue must be empty for a rate of the team",
			"limits.rates[1].requestsPerMinute must be a whole number from 1 to 1000000000",
			"limits.rates[2].dimensionValue must not be empty",
			"limits.rates[2].inFlight must be a whole number from 1 to 1000000",
			"limits.rates[3] names no rate: requestsPerMinute, tokensPerMinute, inFlight",
			"limits.caps[2] says again for whom limits.caps[1] holds",
			"limits.caps[3] says again for whom limits.caps[1] holds",
			"limits.rates[4] says again for whom limits.rates[3] holds",
		]);
	});

	test.each([
		[null, "limits must be an object with caps and rates"],
		[[], "limits must be an object with caps and rates"],
		[{ caps: {} }, "limits.caps must be a list of at most 100"],
		[{ rates: Array.from({ length: 101 }, () => ({})) }, "limits.rates must be a list of at most 100"],
		[{ rates: [7] }, "limits.rates[0] must be an object"],
	])("%j is refused", (input, problem) => {
		expect(problemsOf(input)).toContain(problem);
	});

	test("stored rows that a hand has spoilt keep what is still a limit", () => {
		const [first] = LIMITS.rates;
		expect(readTeamLimits({ caps: "none", rates: [first, { dimension: "user" }] })).toEqual({ caps: [], rates: [first] });
	});
});
