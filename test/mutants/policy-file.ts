import type { Mutant } from "./mutant.ts";

/** What a file of policy must never get past whoever reads it. */
const READ = "test/unit/activities/policy/read-policy-file.test.ts";
const YAML = { file: "activities/policy/located-yaml.ts", test: "test/unit/activities/policy/located-yaml.test.ts" } as const;
const MERGE = { file: "domain/policy/merge-policy.ts", test: "test/unit/domain/policy/merge-policy.test.ts" } as const;
const BOUND = "the organisation's limit bounds the sum of its teams' limits, those the file leaves out included";
const DEGRADE = "nothing is degraded to another protocol, to nothing, or in a circle over several budgets";

export const POLICY_FILE_MUTANTS: readonly Mutant[] = [
	{
		rule: "an organisation's limit bounds the sum of its teams' limits",
		file: "domain/policy/check-organization-bound.ts",
		from: "sum > BigInt(bound.limitAmount)",
		to: "sum > 2n * BigInt(bound.limitAmount)",
		test: READ,
		titles: [BOUND],
	},
	{
		rule: "the sum is of what would hold, not of the file alone",
		file: "domain/policy/check-organization-bound.ts",
		from: "Object.entries(next.teams).flatMap(([id, { budgets }])",
		to: "Object.entries(next.teams).filter(([id]) => Object.hasOwn(file.teams ?? {}, id)).flatMap(([id, { budgets }])",
		test: READ,
		titles: [BOUND],
	},
	{
		rule: "an amount of a policy is never a float",
		file: "activities/policy/read-values.ts",
		from: "readLimitUsd(written,",
		to: "readLimitUsd(String(Number(written)),",
		test: READ,
		titles: ["limitUsd: 900719925.474099301 is exact"],
	},
	{
		rule: "nothing is degraded to another protocol",
		file: "domain/policy/check-models.ts",
		from: "if (to.length === 0 ||",
		to: "if (to.length > 0 ||",
		test: READ,
		titles: [DEGRADE],
	},
	{
		rule: "no two budgets of a team degrade in a circle",
		file: "domain/policy/check-models.ts",
		from: "(alias) => [...(served.get(alias) ?? []), ...(shared.get(alias) ?? [])]",
		to: "(alias) => [...(served.get(alias) ?? []), ...(shared.get(alias) ?? [])].filter((target) => !served.has(target))",
		test: READ,
		titles: [DEGRADE],
	},
	{
		rule: "an approver holds an admin key",
		file: "domain/policy/check-policy.ts",
		from: "world.adminNames.has(name)",
		to: "name.length > 0",
		test: READ,
		titles: ["all of a file at once, in its order, also what only the world can tell"],
	},
	{
		rule: "a mistake has the number of its item in the file",
		file: "activities/policy/cursor.ts",
		from: "(kept?.[segment] ?? segment)",
		to: "segment",
		test: READ,
		titles: ["all of a file at once, in its order, also what only the world can tell"],
	},
	{
		rule: "a lowered limit fits the stop that stays",
		file: "domain/policy/check-policy.ts",
		from: "if (file.thresholds !== undefined) return [];",
		to: 'if (file.dimensionValue === "") return [];',
		test: READ,
		titles: ["a lowered limit must fit the stop that stays"],
	},
	{
		rule: "a team named almost like another is no new one without a budget",
		file: "domain/policy/check-policy.ts",
		from: 'return meant === "" ? [] :',
		to: 'return meant !== "" ? [] :',
		test: READ,
		titles: ["an unknown team that could not spend and is named almost like another is a typo"],
	},
	{
		rule: "the id of a team that was ended is not given again",
		file: "domain/policy/check-policy.ts",
		from: "world.endedTeams.has(id)",
		to: "world.endedTeams.has(id.toUpperCase())",
		test: READ,
		titles: ["an id of a team that was ended is not given again"],
	},
	{
		rule: "a key of another team is not described",
		file: "domain/policy/check-policy.ts",
		from: "if (owner === teamId) return [];",
		to: "if (owner !== undefined) return [];",
		test: READ,
		titles: ["a key of another team is not this team's"],
	},
	{
		rule: "an IPv4 address inside an IPv6 one is one",
		file: "domain/policy/private-address.ts",
		from: "if (groups[5] === 0xffff) return isPrivateIpv4(embedded);",
		to: "if (groups[5] === 0xffff) return false;",
		test: "test/unit/domain/policy/private-address.test.ts",
		titles: ["http://[::ffff:127.0.0.1] is not of the open internet"],
	},
	{
		rule: "what aliases expand to is bounded",
		...YAML,
		from: "this.count(target.nodeCount, place, path);",
		to: "this.count(1, place, path);",
		titles: ["aliases that expand to more than two million values are refused where they pass it"],
	},
	{
		rule: "a complaint of the parser repeats nothing of the file",
		...YAML,
		from: "return QUOTING.exec(message)?.[1] ??",
		to: "return",
		titles: ['a complaint of "a: !CANARY b" does not repeat it: it may be a secret'],
	},
	{
		rule: "a budget keeps the mode that a file leaves out",
		...MERGE,
		from: "mode: file.mode ?? known?.mode ??",
		to: "mode: file.mode ??",
		titles: ["of a budget: calendar, mode and thresholds; a new one takes its defaults"],
	},
	{
		rule: "pruning takes no key from a team that stays",
		...MERGE,
		from: "[id, { ...EMPTY_TEAM, keys }]",
		to: "[id, { ...EMPTY_TEAM, keys: keys.none ?? {} }]",
		titles: ["keys stay with their team: only revoking ends one"],
	},
];
