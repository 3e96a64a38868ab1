import fc from "fast-check";
import { checkTeamRuns, type TeamRuns, tellingRuns } from "#domain/agents/team-runs.ts";
import type { AlertChannel } from "#domain/alerts/channel.ts";
import { ALERT_KINDS } from "#domain/alerts/kinds.ts";
import {
	ascending,
	BUDGET_MODES,
	type BudgetDefinition,
	type BudgetThreshold,
	type BudgetUnit,
	checkBudgetDefinition,
	ORGANIZATION_ID,
	selectorKey,
	THRESHOLD_ACTIONS,
	WINDOW_KINDS,
} from "#domain/budget/scope.ts";
import { RATE_DIMENSIONS } from "#domain/limits/team-limits.ts";
import type { PolicyWorld } from "#domain/policy/check-policy.ts";
import { capKey, inOrder, rateKey, routeKey } from "#domain/policy/merge-policy.ts";
import { EMPTY_POLICY, EMPTY_TEAM, type Policy, type PolicyFile, type TeamEntry } from "#domain/policy/policy.ts";
import { ASSERTABLE, KEY_ENDPOINTS } from "#domain/policy/written-form.ts";
import { keptPlaceProblem } from "./kept-places.ts";

/** Policies of every shape, in order; a few awkward names on purpose. */

const KEY_ID = "key_0123456789abcdef";
const teamId = fc.constantFrom("search", "ads", "ops.eu", "constructor", "0-team");
const word = fc.constantFrom("answers", "ranking", "null", "true", "12", "~", "é ü", "a: b", "x#y", "- z", "__proto__", "toString");
const alias = fc.constantFrom("fast", "gpt-5", "gpt-4.1", "claude/opus:1", "null", "1e3", "__proto__", "constructor");
const amount = fc.oneof(fc.bigInt({ min: 1n, max: 10n ** 18n }), fc.constantFrom(1n, 50_000_000n, 25_000_000_000n, 10n ** 18n));

function names(arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string[]> {
	return fc.uniqueArray(arbitrary, { maxLength: 3 });
}

const target = fc.record({ asked: alias, served: alias }).filter(({ asked, served }) => asked !== served);
const threshold = fc.record({ action: fc.constantFrom(...THRESHOLD_ACTIONS), share: fc.integer({ min: 1, max: 10_000 }), isAmount: fc.boolean(), target });

function toThreshold(
	{ action, share, isAmount, target: { asked, served } }: typeof threshold extends fc.Arbitrary<infer Value> ? Value : never,
	limit: bigint,
): BudgetThreshold {
	const part = (limit * BigInt(share)) / 10_000n;
	const at = isAmount ? { amount: (part === 0n ? 1n : part).toString() } : { basisPoints: share };
	return action === "degrade" ? { action, at, degradeTo: Object.fromEntries([[asked, served]]) } : { action, at };
}

const dimension = fc.constantFrom("team", "feature", "user", "model", "provider", "key", "environment");

function budgets(owner: string): fc.Arbitrary<BudgetDefinition[]> {
	const isOrganization = owner === ORGANIZATION_ID;
	const budget = fc
		.record({
			dimension: isOrganization ? fc.constant("organization") : dimension,
			value: fc.oneof(alias, fc.constant("answers")),
			unit: fc.constantFrom<BudgetUnit>("nano_usd", "tokens"),
			windowKind: fc.constantFrom(...WINDOW_KINDS),
			timeZone: fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu"),
			weekStart: fc.integer({ min: 1, max: 7 }),
			fiscalYearStart: fc.integer({ min: 1, max: 12 }),
			limit: amount,
			mode: fc.constantFrom(...BUDGET_MODES),
			lines: fc.array(threshold, { maxLength: 4 }),
		})
		.map(({ value, limit, lines, ...rest }) => {
			const isWhole = rest.dimension === "team" || rest.dimension === "organization";
			const dimensionValue = isWhole ? "" : rest.dimension === "key" ? KEY_ID : value;
			const thresholds = ascending(
				lines.map((line) => toThreshold(line, limit)),
				limit,
			);
			return checkBudgetDefinition({ ...rest, dimensionValue, limitAmount: limit.toString(), thresholds }, owner);
		})
		.filter((checked) => checked.kind === "valid")
		.map((checked) => (checked as { value: BudgetDefinition }).value);
	return fc.uniqueArray(budget, { selector: selectorKey, maxLength: 4 });
}

const routes = fc.uniqueArray(
	fc.record({ channel: fc.constantFrom("ops", "pager", "audit"), kinds: fc.uniqueArray(fc.constantFrom(...ALERT_KINDS), { maxLength: 3 }) }),
	{
		selector: routeKey,
		maxLength: 3,
	},
);
const ceiling = fc.option(amount.map(String), { nil: null });

const organization = fc.record({
	isOvercommitted: fc.boolean(),
	budgets: budgets(ORGANIZATION_ID),
	approvers: names(word),
	increaseCeilingNanoUsd: ceiling,
	alerts: routes,
});

const channel: fc.Arbitrary<AlertChannel> = fc.oneof(
	fc.record({ kind: fc.constant("slack" as const), urlEnv: fc.constant("SLACK_WEBHOOK_URL"), allowPrivate: fc.boolean() }),
	fc.record({ kind: fc.constant("pagerduty" as const), routingKeyFile: fc.constant("/run/secrets/pagerduty"), allowPrivate: fc.boolean() }),
	fc.record({ kind: fc.constant("alertmanager" as const), url: fc.constant("http://10.0.0.7:9093"), allowPrivate: fc.constant(true) }),
	fc.record({
		kind: fc.constant("webhook" as const),
		url: fc.webUrl({ validSchemes: ["https"] }).map((url) => url.slice(0, 200)),
		secretEnv: fc.constant("HOOK"),
		allowPrivate: fc.constant(true),
	}),
);

const deployment = fc.record({ provider: fc.constantFrom("openai", "azure-west"), model: alias, pricedAsModel: alias });

const settings = fc.record(
	{
		admissionWaitMs: fc.constantFrom(0, 60_000),
		mayLowerCallerCap: fc.constant(true),
		unknownFields: fc.constant("pass"),
		outageAllowanceNanoUsd: fc.constantFrom(1, 1_000_000_000_000_000),
	},
	{ requiredKeys: [] },
);
const key = fc.record({
	feature: fc.option(word, { nil: null }),
	userId: fc.option(word, { nil: null }),
	environment: fc.option(word, { nil: null }),
	models: fc.option(names(alias), { nil: null }),
	endpoints: fc.option(fc.uniqueArray(fc.constantFrom(...KEY_ENDPOINTS), { minLength: 1, maxLength: 3 }), { nil: null }),
	mayAssert: fc.uniqueArray(fc.constantFrom(...ASSERTABLE)),
	maxAsserted: fc.integer({ min: 1, max: 10_000_000 }),
	requiresRun: fc.boolean(),
	resubmitsBatches: fc.boolean(),
	relanesBatches: fc.boolean(),
});
const count = fc.integer({ min: 1, max: 1_000_000 });
const cap = fc
	.record({ feature: fc.option(word, { nil: null }), inputTokens: count, outputTokens: count, costNanoUsd: amount.map(String) }, { requiredKeys: ["feature"] })
	.filter((value) => Object.keys(value).length > 1);
const rate = fc
	.record(
		{
			dimension: fc.constantFrom(...RATE_DIMENSIONS),
			dimensionValue: fc.oneof(alias, fc.constant("*")),
			requestsPerMinute: count,
			tokensPerMinute: count,
			inFlight: count,
		},
		{ requiredKeys: ["dimension", "dimensionValue"] },
	)
	.filter((value) => Object.keys(value).length > 2)
	.map((value) => {
		if (value.dimension === "team") return { ...value, dimensionValue: "" };
		return value.dimension === "key" && value.dimensionValue !== "*" ? { ...value, dimensionValue: KEY_ID } : value;
	});
const keyIds = fc.constantFrom(KEY_ID, "key_fedcba9876543210");

const ceilingOf = (at: fc.Arbitrary<string | number>) =>
	fc.oneof(
		at.map((value) => ({ hard: { at: value, action: "pause" as const } })),
		at.map((value) => ({ hard: { at: value, action: "stop" as const } })),
		fc.record({ at, target }).map(({ at: value, target: { asked, served } }) => ({
			soft: { at: value, action: "degrade" as const, degradeTo: Object.fromEntries([[asked, served]]) },
		})),
	);
/** Whatever it draws for `limits` alone: `most` would have to be above all of it. */
const runs: fc.Arbitrary<TeamRuns> = fc
	.record(
		{
			limits: fc.record(
				{
					costNanoUsd: ceilingOf(amount.map(String)),
					steps: ceilingOf(count),
					outputBytes: ceilingOf(count),
					toolCalls: fc.dictionary(fc.constantFrom("search", "*", "a.b", "null"), ceilingOf(count), { minKeys: 1, maxKeys: 2 }),
				},
				{ requiredKeys: [] },
			),
			onLoop: fc.constantFrom("pause", "stop"),
			newRunsPerHour: fc.integer({ min: 1, max: 1_000_000 }),
			pauseHours: fc.integer({ min: 1, max: 8_784 }),
		},
		{ requiredKeys: [] },
	)
	// A tool may not be called more often than each may.
	.filter((value) => checkTeamRuns(value).kind === "valid")
	.map((value) => tellingRuns(value as TeamRuns));

function team(id: string): fc.Arbitrary<TeamEntry> {
	return fc.record({
		isUnlimited: fc.boolean(),
		settings,
		features: fc.option(names(word), { nil: null }),
		keys: fc.dictionary(keyIds, key, { maxKeys: 2 }),
		budgets: budgets(id),
		runs,
		limits: fc.record({ caps: fc.uniqueArray(cap, { selector: capKey, maxLength: 2 }), rates: fc.uniqueArray(rate, { selector: rateKey, maxLength: 3 }) }),
		approvers: names(word),
		increaseCeilingNanoUsd: ceiling,
		alerts: routes,
	});
}

export const anyPolicy: fc.Arbitrary<Policy> = fc
	.record({
		organization,
		channels: fc.dictionary(fc.constantFrom("ops", "pager", "audit"), channel, { maxKeys: 3 }),
		models: fc.dictionary(alias, fc.array(deployment, { minLength: 1, maxLength: 2 }), { maxKeys: 3 }),
		teams: fc
			.uniqueArray(teamId, { maxLength: 3 })
			.chain((ids) => fc.tuple(...ids.map((id) => team(id).map((entry): [string, TeamEntry] => [id, entry]))).map(Object.fromEntries)),
	})
	.map((policy) => inOrder(policy as Policy));

/** A policy of which anything may be left out, down to the fields of budgets and keys. */
export const anyPolicyFile: fc.Arbitrary<PolicyFile> = fc.tuple(anyPolicy, fc.array(fc.boolean(), { minLength: 64, maxLength: 64 })).map(([policy, mask]) => {
	let next = 0;
	const isKept = (): boolean => {
		next += 1;
		return mask[next % mask.length] ?? true;
	};
	const thin = <Fields extends object>(fields: Fields): Partial<Fields> => Object.fromEntries(Object.entries(fields).filter(() => isKept())) as Partial<Fields>;
	const thinBudget = ({ timeZone, weekStart, fiscalYearStart, mode, thresholds, ...budget }: BudgetDefinition): object => ({
		...budget,
		...thin({ timeZone, weekStart, fiscalYearStart, mode }),
		// Amounts that stand may not fit another limit.
		thresholds,
	});
	const thinTeam = (entry: TeamEntry): object => {
		const kept = thin({ ...entry, limits: thin(entry.limits), keys: mapped(entry.keys, thin), budgets: entry.budgets.map(thinBudget) });
		return kept;
	};
	return thin({
		organization: thin({ ...policy.organization, budgets: policy.organization.budgets.map(thinBudget) }),
		channels: thin(policy.channels),
		models: thin(policy.models),
		teams: mapped(policy.teams, thinTeam),
	}) as PolicyFile;
});

function mapped<Value>(record: Readonly<Record<string, Value>>, change: (value: Value) => object): Record<string, object> {
	return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** A world in which ada and grace administer, OpenAI and Anthropic serve, and team search has one key. */
export function exampleWorld(overrides: Partial<PolicyWorld> = {}): PolicyWorld {
	return {
		current: EMPTY_POLICY,
		adminNames: new Set(["ada", "grace"]),
		endedTeams: new Set(),
		teamOfKey: new Map([[KEY_ID, "search"]]),
		protocolOfProvider: (provider) => (provider === "openai" || provider === "azure-west" ? "openai" : provider === "anthropic" ? "anthropic" : undefined),
		keptPlaceProblem,
		protocolOfModel: (model) => (model.startsWith("gpt-") ? "openai" : model.startsWith("claude-") ? "anthropic" : undefined),
		...overrides,
	};
}

/** A policy of so many teams, each with a daily budget. */
export function manyTeams(count: number): Policy {
	const calendar = { timeZone: "UTC", weekStart: 1, fiscalYearStart: 1, mode: "enforce" } as const;
	const budget = {
		dimension: "team",
		dimensionValue: "",
		unit: "nano_usd",
		windowKind: "day",
		limitAmount: "25000000000",
		...calendar,
		thresholds: [],
	} as const;
	const teams = Array.from({ length: count }, (_, index): [string, TeamEntry] => [
		`team-${String(index).padStart(5, "0")}`,
		{ ...EMPTY_TEAM, budgets: [{ ...budget, thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }] }] },
	]);
	return inOrder({ ...EMPTY_POLICY, teams: Object.fromEntries(teams) });
}
