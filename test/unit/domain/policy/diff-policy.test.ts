import { describe, expect, test } from "vitest";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { diffPolicy } from "#domain/policy/diff-policy.ts";
import { EMPTY_POLICY, EMPTY_TEAM, type KeyAttributes, type Policy, type TeamEntry } from "#domain/policy/policy.ts";
import { renderChanges } from "#domain/policy/render-changes.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";

const budget: BudgetDefinition = { ...DAILY_BUDGET, limitAmount: "25000000000" };
const key: KeyAttributes = {
	feature: null,
	userId: null,
	environment: null,
	models: null,
	endpoints: null,
	mayAssert: [],
	maxAsserted: 10,
	requiresRun: false,
	resubmitsBatches: false,
	relanesBatches: false,
};

const withTeam = (team: Partial<TeamEntry>): Policy => ({ ...EMPTY_POLICY, teams: { search: { ...EMPTY_TEAM, ...team } } });
const effects = (before: Partial<TeamEntry>, after: Partial<TeamEntry>): string[] =>
	diffPolicy(withTeam(before), withTeam(after)).map(({ kind, effect }) => `${kind} ${effect}`);

describe("what a change does to calls", () => {
	test.each<[string, Partial<BudgetDefinition> | null, Partial<BudgetDefinition> | null, string]>([
		["a new budget", null, {}, "add tightens"],
		["a new budget that observes", null, { mode: "observe" }, "add neutral"],
		["a budget gone", {}, null, "archive loosens"],
		["a lower limit", {}, { limitAmount: "24000000000" }, "change tightens"],
		["a higher limit", {}, { limitAmount: "26000000000" }, "change loosens"],
		["a budget that no longer observes", { mode: "observe" }, {}, "change tightens"],
		["a stop below the limit", {}, { thresholds: [{ action: "stop", at: { basisPoints: 5_000 } }] }, "change tightens"],
		["an approval that is no longer needed", { thresholds: [{ action: "needApproval", at: { basisPoints: 5_000 } }] }, {}, "change loosens"],
		["a higher limit with a lower stop", {}, { limitAmount: "26000000000", thresholds: [{ action: "stop", at: { basisPoints: 1_000 } }] }, "change both"],
		["another notice", {}, { thresholds: [{ action: "notify", at: { basisPoints: 9_000 } }] }, "change neutral"],
		["another time zone", {}, { timeZone: "Europe/Berlin" }, "change neutral"],
	])("%s", (_, before, after, expected) => {
		const budgets = (change: Partial<BudgetDefinition> | null): BudgetDefinition[] => (change === null ? [] : [{ ...budget, ...change }]);
		expect(effects({ budgets: budgets(before) }, { budgets: budgets(after) })).toEqual([expected]);
	});

	test.each<[string, Partial<TeamEntry>, Partial<TeamEntry>, string]>([
		["unlimited", {}, { isUnlimited: true }, "change loosens"],
		["a list of features", {}, { features: ["a"] }, "change tightens"],
		["another feature", { features: ["a"] }, { features: ["b"] }, "change both"],
		["a lower ceiling of increases", { increaseCeilingNanoUsd: "5" }, { increaseCeilingNanoUsd: "4" }, "change tightens"],
		["a cap", {}, { limits: { caps: [{ feature: null, outputTokens: 5 }], rates: [] } }, "add tightens"],
		[
			"a higher rate",
			{ limits: { caps: [], rates: [{ dimension: "team", dimensionValue: "", inFlight: 1 }] } },
			{ limits: { caps: [], rates: [{ dimension: "team", dimensionValue: "", inFlight: 2 }] } },
			"change loosens",
		],
		["fewer models of a key", { keys: { k: key } }, { keys: { k: { ...key, models: ["a"] } } }, "change tightens"],
		["a key that may assert", { keys: { k: key } }, { keys: { k: { ...key, mayAssert: ["user"] } } }, "change loosens"],
		["a key whose calls need a run", { keys: { k: key } }, { keys: { k: { ...key, requiresRun: true } } }, "change tightens"],
		["a key whose batches are resubmitted", { keys: { k: key } }, { keys: { k: { ...key, resubmitsBatches: true } } }, "change neutral"],
		["a lower ceiling of runs", {}, { runs: { limits: { costNanoUsd: { hard: { at: "5000000000", action: "pause" } } } } }, "change tightens"],
		["fewer new runs", {}, { runs: { newRunsPerHour: 10 } }, "change tightens"],
		["more than was allowed to be asked for", { runs: { most: { steps: { hard: { at: 5, action: "pause" } } } } }, {}, "change loosens"],
		["what a loop does", {}, { runs: { onLoop: "stop" } }, "change neutral"],
		["approvers", {}, { approvers: ["ada"] }, "change neutral"],
		["a setting", {}, { settings: { admissionWaitMs: 0 } }, "change neutral"],
	])("%s", (_, before, after, expected) => {
		expect(effects(before, after)).toEqual([expected]);
	});
});

test("a default that is written out is no change", () => {
	expect(diffPolicy(withTeam({}), withTeam({ settings: { admissionWaitMs: 5_000 } }))).toEqual([]);
});

test("what a key does with unfinished items of its batches is said", () => {
	const [change] = diffPolicy(withTeam({ keys: { k: key } }), withTeam({ keys: { k: { ...key, resubmitsBatches: true } } }));
	expect(change).toMatchObject({ path: "teams.search.keys.k" });
	expect(change?.summary).toContain("unfinished items of batches resubmitted");
	const [relaned] = diffPolicy(withTeam({ keys: { k: key } }), withTeam({ keys: { k: { ...key, relanesBatches: true } } }));
	expect(relaned?.summary).toContain("unfinished items of batches in real time");
});

test("changes say where, from what and to what, in the order of the policy", () => {
	const before: Policy = {
		...EMPTY_POLICY,
		organization: { ...EMPTY_POLICY.organization, increaseCeilingNanoUsd: "500000000000" },
		teams: { ads: { ...EMPTY_TEAM, budgets: [budget], keys: { k: key } }, search: { ...EMPTY_TEAM, budgets: [budget] } },
	};
	const after: Policy = {
		organization: { ...EMPTY_POLICY.organization, isOvercommitted: true },
		channels: { ops: { kind: "slack", urlEnv: "SLACK_WEBHOOK_URL", allowPrivate: false } },
		models: { "gpt-4.1": [{ provider: "azure", model: "prod", pricedAsModel: "gpt-4.1" }] },
		teams: {
			docs: { ...EMPTY_TEAM, limits: { caps: [], rates: [{ dimension: "user", dimensionValue: "*", requestsPerMinute: 1_200 }] } },
			search: {
				...EMPTY_TEAM,
				settings: { unknownFields: "pass" },
				budgets: [
					{ ...budget, limitAmount: "1234500000000", thresholds: [{ action: "degrade", at: { basisPoints: 8_750 }, degradeTo: { "gpt-5": "fast" } }] },
					{ ...budget, dimension: "feature", dimensionValue: "answers", unit: "tokens", windowKind: "month", limitAmount: "20000000", mode: "observe" },
				],
			},
		},
	};
	const changes = diffPolicy(before, after);
	expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
		"change organization.overcommit",
		"change organization.increaseCeilingUsd",
		"add channels.ops",
		'add models."gpt-4.1"',
		"archive teams.ads",
		"add teams.docs",
		"add teams.docs.rates.each user",
		"change teams.search.settings.unknownFields",
		"add teams.search.budgets.feature answers, month, tokens",
		"change teams.search.budgets.team, day",
	]);
	expect(renderChanges(changes)).toBe(
		[
			"organization",
			"  ~ overcommit: false → true  [loosens]",
			"  ~ increaseCeilingUsd: $500.00 → none  [loosens]",
			"channels",
			"  + channel ops: slack, urlEnv SLACK_WEBHOOK_URL",
			"models",
			"  + model gpt-4.1: azure/prod priced as gpt-4.1",
			"team ads",
			"  - team ads with 1 budget and 1 key, whose calls are refused from then on (archived)  [tightens]",
			"team docs",
			"  + team docs",
			"  + rate each user: 1,200 requests a minute  [tightens]",
			"team search",
			"  ~ unknownFields: refuse → pass",
			"  + budget feature answers, month, tokens: 20,000,000 tokens a month, observed",
			"  ~ budget team, day: $25.00 a day → $1,234.50 a day, degrade at 87.5 % (gpt-5 to fast)  [tightens and loosens]",
			"",
			"10 changes: 5 added, 4 changed, 1 archived; 3 tighter, 3 looser.",
		].join("\n"),
	);
	expect(renderChanges([])).toBe("No changes.");
});
