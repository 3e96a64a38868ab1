import { describe, expect, test } from "vitest";
import { inOrder, mergePolicy } from "#domain/policy/merge-policy.ts";
import { EMPTY_POLICY, EMPTY_TEAM, type KeyAttributes, type Policy, type PolicyFile } from "#domain/policy/policy.ts";

const daily = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" } as const;
const calendar = { timeZone: "Asia/Tokyo", weekStart: 7, fiscalYearStart: 4 } as const;
const key: KeyAttributes = {
	feature: "answers",
	userId: null,
	environment: "production",
	models: ["fast"],
	endpoints: null,
	mayAssert: ["user"],
	maxAsserted: 5,
	requiresRun: false,
	resubmitsBatches: false,
	relanesBatches: false,
};

const current: Policy = {
	...EMPTY_POLICY,
	organization: { ...EMPTY_POLICY.organization, approvers: ["ada"], increaseCeilingNanoUsd: "7" },
	channels: { ops: { kind: "slack", urlEnv: "HOOK", allowPrivate: false } },
	models: { fast: [{ provider: "openai", model: "gpt-5-mini", pricedAsModel: "gpt-5-mini" }] },
	teams: {
		search: {
			...EMPTY_TEAM,
			settings: { admissionWaitMs: 0 },
			features: ["answers"],
			keys: { key_0123456789abcdef: key },
			budgets: [{ ...daily, ...calendar, limitAmount: "100", mode: "observe", thresholds: [{ action: "stop", at: { amount: "50" } }] }],
			limits: { caps: [{ feature: null, outputTokens: 10 }], rates: [{ dimension: "user", dimensionValue: "*", inFlight: 3 }] },
			alerts: [{ channel: "ops", kinds: ["budget.stopped"] }],
		},
		ads: EMPTY_TEAM,
	},
};

const merge = (file: PolicyFile, isPruning = false): Policy => mergePolicy(current, file, { isPruning });

describe("what a file leaves out stays", () => {
	test("everything, of an empty file", () => {
		expect(merge({})).toEqual(inOrder(current));
	});

	test("of a key: whether its batches are resubmitted; said, it holds, and can be taken back", () => {
		const attributesOf = (policy: Policy) => policy.teams["search"]?.keys["key_0123456789abcdef"];
		const file = (attributes: Partial<KeyAttributes>): PolicyFile => ({ teams: { search: { keys: { key_0123456789abcdef: attributes } } } });
		const resubmitted = merge(file({ resubmitsBatches: true }));
		expect(attributesOf(resubmitted)).toEqual({ ...key, resubmitsBatches: true });
		expect(attributesOf(mergePolicy(resubmitted, file({ feature: "ranking" }), { isPruning: true }))).toMatchObject({ resubmitsBatches: true });
		expect(attributesOf(mergePolicy(resubmitted, file({ resubmitsBatches: false }), { isPruning: false }))).toEqual(key);
		const relaned = mergePolicy(resubmitted, file({ relanesBatches: true }), { isPruning: false });
		expect(attributesOf(relaned)).toEqual({ ...key, resubmitsBatches: true, relanesBatches: true });
		expect(attributesOf(mergePolicy(relaned, file({ relanesBatches: false }), { isPruning: false }))).toEqual({ ...key, resubmitsBatches: true });
	});

	test("of a budget: calendar, mode and thresholds; a new one takes its defaults", () => {
		const budgets = merge({
			teams: {
				search: {
					budgets: [
						{ ...daily, limitAmount: "80" },
						{ ...daily, windowKind: "week", limitAmount: "9" },
					],
				},
			},
		}).teams["search"]?.budgets;
		expect(budgets).toEqual([
			{ ...daily, ...calendar, limitAmount: "80", mode: "observe", thresholds: [{ action: "stop", at: { amount: "50" } }] },
			{
				...daily,
				windowKind: "week",
				timeZone: "UTC",
				weekStart: 1,
				fiscalYearStart: 1,
				limitAmount: "9",
				mode: "enforce",
				thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }],
			},
		]);
	});

	test("of a key: what it does not name; null says none", () => {
		const merged = merge({ teams: { search: { keys: { key_0123456789abcdef: { environment: null, models: ["slow"] } } } } });
		expect(merged.teams["search"]?.keys["key_0123456789abcdef"]).toEqual({ ...key, environment: null, models: ["slow"] });
	});

	test("caps, rates and routes stand one by one, lists of names as a whole", () => {
		const merged = merge({
			organization: { approvers: ["grace"], increaseCeilingNanoUsd: null },
			teams: {
				search: {
					features: ["ranking"],
					limits: { caps: [{ feature: "ranking", inputTokens: 1 }], rates: [{ dimension: "user", dimensionValue: "*", requestsPerMinute: 9 }] },
					alerts: [{ channel: "ops", kinds: [] }],
				},
			},
		});
		expect(merged.organization).toMatchObject({ approvers: ["grace"], increaseCeilingNanoUsd: null });
		expect(merged.teams["search"]).toMatchObject({
			features: ["ranking"],
			limits: {
				caps: [
					{ feature: null, outputTokens: 10 },
					{ feature: "ranking", inputTokens: 1 },
				],
				rates: [{ dimension: "user", dimensionValue: "*", requestsPerMinute: 9 }],
			},
			alerts: [{ channel: "ops", kinds: [] }],
		});
		expect(merged.teams["search"]?.limits.rates[0]).not.toHaveProperty("inFlight");
	});

	test("a setting set back to its default is no setting", () => {
		expect(merge({ teams: { search: { settings: { admissionWaitMs: 5_000, maxCallMs: 1_000 } } } }).teams["search"]?.settings).toEqual({ maxCallMs: 1_000 });
	});
});

describe("pruning makes the file the whole policy", () => {
	test("what it does not name is gone, what it leaves out of an entry is as by default", () => {
		const merged = merge({ teams: { search: { budgets: [{ ...daily, limitAmount: "80" }] } } }, true);
		expect(merged).toEqual({
			...EMPTY_POLICY,
			teams: {
				search: {
					...EMPTY_TEAM,
					keys: { key_0123456789abcdef: key },
					budgets: [
						{
							...daily,
							timeZone: "UTC",
							weekStart: 1,
							fiscalYearStart: 1,
							limitAmount: "80",
							mode: "enforce",
							thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }],
						},
					],
				},
			},
		});
	});

	test("keys stay with their team: only revoking ends one", () => {
		expect(merge({ teams: { search: {} } }, true).teams["search"]?.keys).toEqual({ key_0123456789abcdef: key });
		expect(merge({ teams: {} }, true).teams).toEqual({});
	});
});

test("names that every object inherits are names like others", () => {
	const file = JSON.parse(
		'{"models": {"__proto__": [{"provider": "openai", "model": "a", "pricedAsModel": "a"}]}, "teams": {"constructor": {"isUnlimited": true}}}',
	) as PolicyFile;
	const merged = merge(file);
	expect(Object.keys(merged.models)).toEqual(["__proto__", "fast"]);
	expect(merged.teams["constructor"]).toEqual({ ...EMPTY_TEAM, isUnlimited: true });
});
