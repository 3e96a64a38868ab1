import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readPolicyFile, renderMistakes } from "#activities/policy/read-policy-file.ts";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import { EMPTY_POLICY, EMPTY_TEAM, type Policy } from "#domain/policy/policy.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { exampleWorld } from "#test/support/policies.ts";
import { mistakesOf } from "#test/support/policy-file-mistakes.ts";

const WORLD = exampleWorld();

/** The only mistake of a team with these lines below `teams: { search: … }`. */
function mistakeOfTeam(...lines: string[]): string {
	const found = mistakesOf(["version: 1", "teams:", "  search:", ...lines.map((line) => `    ${line}`)].join("\n"));
	expect(found).toHaveLength(1);
	return found[0] ?? "";
}

function mistakeOfBudget(budget: string): string {
	return mistakeOfTeam("budgets:", `  - ${budget}`);
}

describe("the example of docs/policy.md", () => {
	const page = readFileSync(new URL("../../../../docs/policy.md", import.meta.url), "utf8");
	const example = /```yaml\n(# policy\.yaml[\s\S]*?)```/.exec(page)?.[1] ?? "";

	test("is read without a mistake, every part of it", () => {
		const result = readPolicyFile(example, { fileName: "policy.yaml", world: WORLD });
		expect(result.kind === "refused" ? renderMistakes(result.mistakes) : "read").toBe("read");
		if (result.kind !== "read") return;
		const { organization, teams, channels, models } = mergePolicy(EMPTY_POLICY, result.file, { isPruning: false });
		expect(Object.keys(channels)).toEqual(["audit", "metrics", "ops", "pager"]);
		expect(models).toEqual({ fast: [{ provider: "openai", model: "gpt-5-mini", pricedAsModel: "gpt-5-mini" }] });
		expect(organization).toMatchObject({ isOvercommitted: false, approvers: ["ada"], increaseCeilingNanoUsd: "500000000000" });
		expect(organization.budgets).toMatchObject([
			{ windowKind: "month", limitAmount: "5000000000000", timeZone: "Europe/Berlin", weekStart: 1, fiscalYearStart: 4 },
		]);
		expect(teams["search"]).toMatchObject({
			features: ["answers", "ranking"],
			settings: { admissionWaitMs: 0 },
			approvers: ["grace"],
			alerts: [{ channel: "ops", kinds: ["budget.threshold", "budget.stopped"] }],
			limits: {
				caps: [{ feature: "answers", outputTokens: 2_000, costNanoUsd: "50000000" }],
				rates: [
					{ dimension: "model", dimensionValue: "gpt-5", tokensPerMinute: 200_000, inFlight: 8 },
					{ dimension: "user", dimensionValue: "*", requestsPerMinute: 60 },
				],
			},
			keys: {
				key_0123456789abcdef: {
					feature: "answers",
					environment: "production",
					models: ["fast"],
					mayAssert: ["user"],
					userId: null,
					maxAsserted: 10_000,
					resubmitsBatches: true,
				},
			},
		});
		expect(teams["search"]?.budgets).toMatchObject([
			{ dimension: "feature", dimensionValue: "answers", unit: "tokens", windowKind: "month", limitAmount: "20000000", timeZone: "Europe/Berlin" },
			{
				dimension: "team",
				windowKind: "day",
				limitAmount: "25000000000",
				mode: "observe",
				thresholds: [
					{ action: "notify", at: { basisPoints: 8_000 } },
					{ action: "degrade", at: { basisPoints: 9_000 }, degradeTo: { "gpt-5": "fast" } },
					{ action: "needApproval", at: { basisPoints: 9_500 } },
				],
			},
		]);
	});
});

describe("amounts", () => {
	test.each([
		["25", "25000000000"],
		["0.05", "50000000"],
		['"5000"', "5000000000000"],
		["0.000000001", "1"],
		["900719925.474099301", "900719925474099301"],
		["1000000000", "1000000000000000000"],
	])("limitUsd: %s is exact", (written, amount) => {
		const result = readPolicyFile(`version: 1\norganization:\n  budgets: [{ window: day, limitUsd: ${written} }]`, { fileName: "f" });
		expect(result).toMatchObject({ kind: "read", file: { organization: { budgets: [{ limitAmount: amount }] } } });
	});

	test.each([
		["-1", "must not be negative"],
		["0.0000000001", "more than nine decimals"],
		["1000000000.000000001", "must not be above"],
		["1e3", "no amount of dollars"],
		["$5", "no amount of dollars"],
		["1_000", "no amount of dollars"],
		[".inf", "no amount of dollars"],
		["[5]", "must be an amount of dollars"],
		["", "must be an amount of dollars"],
	])("limitUsd: %s is refused with its line", (written, problem) => {
		const found = mistakeOfBudget(`{ window: day, limitUsd: ${written} }`);
		expect(found).toContain("5 teams.search.budgets[0].limitUsd: ");
		expect(found).toContain(problem);
	});

	test("a ceiling of increases that is no amount is named; null takes it away", () => {
		expect(mistakesOf("version: 1\norganization:\n  increaseCeilingUsd: plenty")).toEqual([
			'3 organization.increaseCeilingUsd: "plenty" is no amount of dollars with at most nine decimals',
		]);
		expect(readPolicyFile("version: 1\norganization:\n  increaseCeilingUsd: null", { fileName: "f" })).toMatchObject({
			file: { organization: { increaseCeilingNanoUsd: null } },
		});
	});
});

describe("each mistake is named with its line and field", () => {
	test.each([
		[
			"a window that does not exist",
			"{ window: dya, limitUsd: 1 }",
			"budgets[0].window: must be one of hour, day, week, month, quarter, lifetime; did you mean day?",
		],
		["no window", "{ limitUsd: 1 }", "budgets[0].window: is missing: one of hour, day"],
		["no limit", "{ window: day }", "budgets[0].limitUsd: is missing: limitUsd in dollars, or tokens"],
		["dollars and tokens", "{ window: day, limitUsd: 1, tokens: 5 }", "budgets[0].tokens: stands beside limitUsd"],
		["two selectors", "{ window: day, limitUsd: 1, user: ann, model: gpt-5 }", "budgets[0].model: stands beside user"],
		["a time zone with a typo", "{ window: day, limitUsd: 1, timeZone: Europe/Berln }", "budgets[0].timeZone: is no IANA time zone"],
		["an unknown field", "{ window: day, limitUsd: 1, treshholds: [] }", "budgets[0].treshholds: is no field here; did you mean thresholds?"],
		["a mode that does not exist", "{ window: day, limitUsd: 1, mode: watch }", "budgets[0].mode: must be one of enforce, observe"],
		["a weekday that does not exist", "{ window: day, limitUsd: 1, weekStart: sonday }", "budgets[0].weekStart: must be one of monday"],
		["fractional tokens", "{ window: day, tokens: 1.5 }", "budgets[0].tokens: must be a whole number of tokens"],
		["a selector with a quote", '{ window: day, limitUsd: 1, user: a"b }', "budgets[0].user: must hold no quote"],
		["degrade without its target", "{ window: day, limitUsd: 1, thresholds: [{ at: 90%, action: degrade }] }", "thresholds[0].to: is missing: degrade needs"],
		[
			"a target without degrade",
			"{ window: day, limitUsd: 1, thresholds: [{ at: 90%, action: stop, to: { gpt-5: gpt-4 } }] }",
			"thresholds[0].to: belongs to the action degrade",
		],
		["an action that does not exist", "{ window: day, limitUsd: 1, thresholds: [{ at: 90%, action: pause }] }", "thresholds[0].action: must be one of notify"],
		[
			"thresholds that do not ascend",
			"{ window: day, limitUsd: 1, thresholds: [{ at: 90%, action: notify }, { at: 80%, action: notify }] }",
			"thresholds[1].at: must not stand below",
		],
		["a place above the limit", "{ window: day, limitUsd: 1, thresholds: [{ atUsd: 2, action: notify }] }", "thresholds[0].atUsd: must not be above the limit"],
		[
			"more than 100 percent",
			"{ window: day, limitUsd: 1, thresholds: [{ at: 101%, action: notify }] }",
			"thresholds[0].at: must be above 0 and at most 100 percent",
		],
		[
			"dollars in a budget of tokens",
			"{ window: day, tokens: 9, thresholds: [{ atUsd: 2, action: notify }] }",
			"thresholds[0].atUsd: is dollars, in a budget of tokens",
		],
		[
			"a circle of targets",
			"{ window: day, limitUsd: 1, thresholds: [{ at: 90%, action: degrade, to: { gpt-a: gpt-b, gpt-b: gpt-a } }] }",
			"thresholds[0].to.gpt-a: leads back to itself",
		],
	])("%s", (_, budget, expected) => {
		const found = mistakesOf(`version: 1\nteams:\n  search:\n    budgets:\n      - ${budget}`);
		expect(found.length).toBeGreaterThan(0);
		expect(found.every((mistake) => mistake.startsWith("5 teams.search."))).toBe(true);
		expect(found.join("\n")).toContain(expected);
	});

	test.each([
		[
			"a setting that does not exist",
			["settings: { admisionWaitMs: 0 }"],
			"4 teams.search.settings.admisionWaitMs: is no setting of a team; did you mean admissionWaitMs?",
		],
		["a setting out of range", ["settings:", "  admissionWaitMs: 60001"], "5 teams.search.settings.admissionWaitMs: must be a whole number from 0 to 60000"],
		["a list that is none", ["features: answers"], "4 teams.search.features: must be a list"],
		["a list with nothing", ["budgets:"], "4 teams.search.budgets: is empty; leave it out, or write []"],
		["a name twice", ["features: [a, b, a]"], '4 teams.search.features[2]: "a" stands here twice'],
		["a cap of nothing", ["caps: [{ feature: answers }]"], "4 teams.search.caps[0]: caps nothing"],
		["a rate of nothing", ["rates: [{ user: ann }]"], "4 teams.search.rates[0]: limits nothing"],
		["the same rate twice", ["rates:", "  - { inFlight: 1 }", "  - { inFlight: 2 }"], "6 teams.search.rates[1]: limits the same a second time"],
		[
			"the same budget twice",
			["budgets:", "  - { window: day, limitUsd: 1 }", "  - { window: day, limitUsd: 2 }"],
			"6 teams.search.budgets[1]: is the same budget as number 1",
		],
		["a flag that is none", ["unlimited: yes"], "4 teams.search.unlimited: must be true or false"],
		["a key that is none", ["keys: { tg-CANARY: {} }"], "4 teams.search.keys: holds a name that is none: it must be a key id"],
		[
			"a rule for real time that is neither yes nor no",
			["keys:", "  key_0123456789abcdef:", "    batches:", "      resubmit: true", "      relane: often"],
			"8 teams.search.keys.key_0123456789abcdef.batches.relane: must be true or false",
		],
		[
			"a rule for batches that does not exist",
			["keys: { key_0123456789abcdef: { batches: { resubmits: true } } }"],
			"4 teams.search.keys.key_0123456789abcdef.batches.resubmits: is no field here; did you mean resubmit?",
		],
		[
			"a rule for batches that is neither yes nor no",
			["keys: { key_0123456789abcdef: { batches: { resubmit: 1 } } }"],
			"4 teams.search.keys.key_0123456789abcdef.batches.resubmit: must be true or false",
		],
		[
			"batches that are no rules",
			["keys: { key_0123456789abcdef: { batches: true } }"],
			"4 teams.search.keys.key_0123456789abcdef.batches: must be a map of names and values",
		],
		["an unknown approver", ["approvers: [adaa]"], '4 teams.search.approvers[0]: nobody has an admin key named "adaa"; did you mean ada?'],
		["an unknown channel", ["alerts: [{ channel: ops }]"], '4 teams.search.alerts[0].channel: there is no channel "ops"'],
		["a kind of alert that does not exist", ["alerts: [{ channel: ops, kinds: [budget.stoped] }]"], "4 teams.search.alerts[0].kinds[0]: must be one of"],
		[
			"a feature the team has not",
			["features: [answers]", "caps: [{ feature: anwsers, outputTokens: 5 }]"],
			'5 teams.search.caps[0].feature: "anwsers" is none of the team\'s features; did you mean answers?',
		],
		[
			"a key nobody made",
			["keys: { key_0000000000000000: {} }"],
			'4 teams.search.keys.key_0000000000000000: there is no key "key_0000000000000000" that works',
		],
		["a rate of what could be no key of ours", ["rates: [{ user: 'a|b', inFlight: 1 }]"], "4 teams.search.rates[0].user: must hold no quote, backslash or |"],
		["a budget of a secret", ["budgets: [{ window: day, limitUsd: 1, key: tg-CANARY }]"], "4 teams.search.budgets[0].key: must be a key id"],
		["a model nobody serves", ["rates: [{ model: gtp-5, inFlight: 1 }]"], '4 teams.search.rates[0].model: no model "gtp-5" is served'],
	])("%s", (_, lines, expected) => {
		const found = mistakesOf(["version: 1", "teams:", "  search:", ...lines.map((line) => `    ${line}`)].join("\n"));
		expect(found.join("\n")).toContain(expected);
		expect(found.join("\n")).not.toContain("CANARY");
	});

	test("all of a file at once, in its order, also what only the world can tell", () => {
		const text = [
			"version: 2",
			"organisation: {}",
			"organization:",
			"  approvers: [ada, nobody]",
			"  budgets:",
			"    - { window: fortnight, limitUsd: -5 }",
			"    - { window: day, limitUsd: 1 }",
			"teams:",
			"  Search: {}",
			"  ads:",
			"    budgets:",
			"      - { window: day, limitUsd: x }",
			"      - { window: day, limitUsd: 1, thresholds: [{ at: 50%, action: degrade, to: { gpt-5: claude-x } }] }",
		].join("\n");
		expect(mistakesOf(text).map((mistake) => mistake.split(": ")[0])).toEqual([
			"1 version",
			"2 organisation",
			"4 organization.approvers[1]",
			"6 organization.budgets[0].window",
			"6 organization.budgets[0].limitUsd",
			"9 teams.Search",
			"12 teams.ads.budgets[0].limitUsd",
			// Its number in the file, although the budget before it could not be read.
			"13 teams.ads.budgets[1].thresholds[0].to.gpt-5",
		]);
	});

	test("every budget of the organisation counts everything", () => {
		expect(mistakesOf("version: 1\norganization:\n  budgets:\n    - { window: day, limitUsd: 1, user: ann }")).toEqual([
			"4 organization.budgets[0].user: belongs to a budget of a team; the organisation's count everything",
		]);
	});

	test("of an unread file nothing is lost: no version, no map, nothing", () => {
		expect(mistakesOf("teams: {}")).toEqual(["1 version: is missing: write version: 1 first"]);
		expect(mistakesOf("- a")).toEqual(["1 : must be a map of names and values"]);
		expect(mistakesOf("")).toEqual(["1 : is empty"]);
	});
});

describe("what holds already counts", () => {
	const current: Policy = {
		...EMPTY_POLICY,
		organization: { ...EMPTY_POLICY.organization, budgets: [{ ...DAILY_BUDGET, dimension: "organization", limitAmount: "100000000000", thresholds: [] }] },
		teams: {
			search: { ...EMPTY_TEAM, budgets: [{ ...DAILY_BUDGET, limitAmount: "60000000000", thresholds: [{ action: "stop", at: { amount: "50000000000" } }] }] },
			ads: { ...EMPTY_TEAM, budgets: [{ ...DAILY_BUDGET, limitAmount: "30000000000", thresholds: [] }] },
		},
	};
	const world = exampleWorld({ current });

	test("the organisation's limit bounds the sum of its teams' limits, those the file leaves out included", () => {
		const raise = "version: 1\nteams:\n  ads:\n    budgets:\n      - { window: day, limitUsd: 40.01 }";
		const [found = ""] = mistakesOf(raise, world);
		expect(found).toContain(
			"5 teams.ads.budgets[0].limitUsd: the limits of 2 teams for the same day add up to $100.01 (search $60.00, ads $40.01), more than the organisation's $100.00",
		);
		expect(mistakesOf(raise.replace("40.01", "40"), world)).toEqual([]);
		expect(mistakesOf(`${raise}\norganization:\n  overcommit: true`, world)).toEqual([]);
		expect(mistakesOf(raise.replace("window: day", "window: week"), world)).toEqual([]);
		expect(mistakesOf("version: 1\norganization:\n  budgets: [{ window: day, limitUsd: 89 }]", world)[0]).toContain("3 organization.budgets[0].limitUsd: ");
	});

	test("a lowered limit must fit the stop that stays", () => {
		const lower = "version: 1\nteams:\n  search:\n    budgets:\n      - { window: day, limitUsd: 40 }";
		expect(mistakesOf(lower, world)[0]).toContain("5 teams.search.budgets[0]: does not fit the thresholds the budget has already");
		expect(mistakesOf(lower.replace(" }", ", thresholds: [] }"), world)).toEqual([]);
	});

	test("an unknown team that could not spend and is named almost like another is a typo", () => {
		const named = (id: string, more = ""): string[] => mistakesOf(`version: 1\nteams:\n  ${id}: { approvers: [ada]${more} }`, world);
		expect(named("serach")).toEqual(["3 teams.serach: is a new team without a budget; did you mean search? To add it, give it a budget, or unlimited: true"]);
		expect([named("search"), named("serach", ", unlimited: true"), named("serach", ", budgets: [{ window: week, limitUsd: 1 }]"), named("books")]).toEqual([
			[],
			[],
			[],
			[],
		]);
	});

	test("an id of a team that was ended is not given again", () => {
		expect(mistakesOf("version: 1\nteams:\n  old: {}", exampleWorld({ endedTeams: new Set(["old"]) }))).toEqual([
			"3 teams.old: was ended, and an id is never given twice: take another",
		]);
	});

	test("a call may not meet more windows than it can reserve in, counted with the budgets that stay", () => {
		const dimensions = ["user", "model", "feature", "provider", "environment"].flatMap((dimension) =>
			["hour", "day", "week", "month", "quarter"].map((window) => `      - { window: ${window}, limitUsd: 1, ${dimension}: gpt-5 }`),
		);
		const text = ["version: 1", "teams:", "  many:", "    budgets:", ...dimensions].join("\n");
		expect(mistakesOf(text)).toEqual(["4 teams.many.budgets: one call could meet 25 windows of these budgets; at most 24 are allowed"]);
	});

	test("a team has a hundred rates at most, those that stay included", () => {
		const rates = Array.from({ length: 100 }, (_, index) => ({ dimension: "user" as const, dimensionValue: `u${index}`, inFlight: 1 }));
		const full = exampleWorld({ current: { ...EMPTY_POLICY, teams: { search: { ...EMPTY_TEAM, limits: { caps: [], rates } } } } });
		const another = (user: string): string[] => mistakesOf(`version: 1\nteams:\n  search:\n    rates: [{ user: ${user}, inFlight: 2 }]`, full);
		expect(another("u7")).toEqual([]);
		expect(another("u100")).toEqual(["4 teams.search.rates: would be 101 with those there are; at most 100 are allowed"]);
	});

	test("a key of another team is not this team's", () => {
		expect(mistakesOf("version: 1\nteams:\n  ads:\n    keys: { key_0123456789abcdef: { feature: x } }", world)).toEqual([
			"4 teams.ads.keys.key_0123456789abcdef: key key_0123456789abcdef belongs to team search",
		]);
	});
});

describe("models", () => {
	test.each([
		["models: { a: [{ provider: nobody }] }", '2 models.a[0].provider: there is no provider "nobody"'],
		["models: { a: [{ provider: openai }, { provider: openai }] }", "2 models.a[1]: is the same deployment as number 1"],
		["models: { a: [] }", "2 models.a: is served nowhere"],
		["models: { a: [{ provider: openai, model: b }], b: [{ provider: openai, model: a }] }", "2 models.a: is another name for itself: a → b → a"],
		["models: { a: [{ provider: openai }], a: [{ provider: openai }] }", "2 models.a: stands here twice: line 2 has it too"],
	])("%s", (text, expected) => {
		expect(mistakesOf(`version: 1\n${text}`).join("\n")).toContain(expected);
	});

	test("an alias with the name of its own model is no circle", () => {
		expect(mistakesOf("version: 1\nmodels: { gpt-4o: [{ provider: azure-west }, { provider: openai }] }")).toEqual([]);
	});

	test("nothing is degraded to another protocol, to nothing, or in a circle over several budgets", () => {
		const degrade = (to: string): string => `{ at: 90%, action: degrade, to: ${to} }`;
		const text = (first: string, second: string): string =>
			[
				"version: 1",
				"models: { slow: [{ provider: anthropic, model: claude-big }] }",
				"teams:",
				"  search:",
				"    budgets:",
				`      - { window: day, limitUsd: 1, thresholds: [${degrade(first)}] }`,
				`      - { window: week, limitUsd: 1, thresholds: [${degrade(second)}] }`,
			].join("\n");
		expect(mistakesOf(text("{ gpt-5: slow }", "{ gpt-5: gpt-4 }"))).toEqual([
			"6 teams.search.budgets[0].thresholds[0].to.gpt-5: gpt-5 speaks the openai protocol and slow the anthropic one; nothing is translated",
		]);
		expect(mistakesOf(text("{ gpt-5: gpt-4 }", "{ gpt-4: gpt-5 }"))).toEqual([
			"6 teams.search.budgets[0].thresholds[0].to.gpt-5: degrades in a circle: gpt-5 → gpt-4 → gpt-5",
		]);
		expect(mistakesOf(text("{ gpt-5: sloow }", "{ slow: claude-small }"))).toEqual([
			'6 teams.search.budgets[0].thresholds[0].to.gpt-5: no model "sloow" is served; did you mean slow?',
		]);
	});
});
