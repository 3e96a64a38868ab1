import { z } from "zod";
import { CEILING_KINDS } from "#domain/agents/ceilings.ts";
import { NEW_RUNS_PER_HOUR_MAX, ON_LOOP, PAUSE_HOURS_MAX } from "#domain/agents/team-runs.ts";
import { ALERT_CHANNEL_KINDS } from "#domain/alerts/channel.ts";
import { ALERT_KINDS } from "#domain/alerts/kinds.ts";
import { BUDGET_MODES, MAX_THRESHOLDS, THRESHOLD_ACTIONS, WINDOW_KINDS } from "#domain/budget/scope.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { ASSERTABLE, KEY_ENDPOINTS, MAX_ASSERTED, MONTHS, POLICY_VERSION, VARIABLE_PATTERN, WEEKDAYS, type WrittenField } from "#domain/policy/written-form.ts";

/**
 * A policy as people write it, for editors: `config/policy.schema.json` is made of this by scripts/write-reference-docs.ts.
 * It says what completion needs; whether a policy holds together is for activities/policy/ to say, with lines.
 */

const usd = z
	.union([z.number().min(0), z.string().regex(/^(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?$/)])
	.describe("Dollars with at most nine decimals, with or without quotes: 25 or 0.05");
const tokens = z.union([z.int().min(0), z.string().regex(/^(0|[1-9][0-9]{0,18})$/)]).describe("A whole number of tokens");
const count = z.int().min(1);
const name = z.string().min(1).max(128);
const modelName = z.string().min(1).max(256);
const entityName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);
const timeZone = z.string().describe("IANA time zone in which windows begin, like Europe/Berlin; UTC where nothing says otherwise");
const weekStart = z.enum(WEEKDAYS).describe("Day on which weeks begin; monday where nothing says otherwise");
const fiscalYearStart = z.enum(MONTHS).describe("Month in which quarters are counted from; january where nothing says otherwise");
const approvers = z.array(name).describe("Names of admin keys whose holders decide requests for more; nobody decides his own");
const increaseCeilingUsd = usd.nullable().describe("The most that one increase may add; null = no such bound");

const threshold = z
	.strictObject({
		at: z
			.string()
			.regex(/^[0-9]{1,3}(\.[0-9]{1,2})? ?%$/)
			.optional()
			.describe("Percent of the limit in force, like 80% or 87.5%"),
		atUsd: usd.optional().describe("Dollars, in a budget of dollars; at most the limit"),
		atTokens: tokens.optional().describe("Tokens, in a budget of tokens; at most the limit"),
		action: z.enum(THRESHOLD_ACTIONS).describe("notify tells; degrade serves another model; needApproval refuses until somebody approves; stop refuses"),
		to: z.record(modelName, modelName).optional().describe("Of degrade: model asked for, and the model of the same protocol served instead"),
	} satisfies Record<WrittenField<"threshold">, z.ZodType>)
	.describe("One line below the limit; the limit itself always stops. Give one of at, atUsd and atTokens");

const budget = z
	.strictObject({
		window: z.enum(WINDOW_KINDS).describe("How long the limit lasts; lifetime never begins again"),
		limitUsd: usd.optional().describe("The limit in dollars; or give tokens"),
		tokens: tokens.optional().describe("The limit in tokens; or give limitUsd"),
		feature: name.optional().describe("Counts calls of this feature only"),
		user: name.optional().describe("Counts calls of this user only"),
		model: modelName.optional().describe("Counts calls of this model only"),
		provider: name.optional().describe("Counts calls served by this provider only"),
		key: name.optional().describe("Counts calls made with this key (key_…) only"),
		environment: name.optional().describe("Counts calls of this environment only"),
		timeZone: timeZone.optional(),
		weekStart: weekStart.optional(),
		fiscalYearStart: fiscalYearStart.optional(),
		mode: z.enum(BUDGET_MODES).optional().describe("observe books everything and refuses nothing, and reports what it would have refused"),
		thresholds: z.array(threshold).max(MAX_THRESHOLDS).optional().describe("Ascending; notify at 80% where nothing is said"),
	} satisfies Record<WrittenField<"budget">, z.ZodType>)
	.describe("One limit over one window. Without feature, user … it counts all calls of the team, or of the organisation");

const route = z
	.strictObject({
		channel: entityName.describe("Name of a channel below channels"),
		kinds: z.array(z.enum(ALERT_KINDS)).optional().describe("Which alerts; all where left out"),
	} satisfies Record<WrittenField<"route">, z.ZodType>)
	.describe("Alerts that go to a channel");

const variable = z.string().regex(VARIABLE_PATTERN);
const filePath = z.string().regex(/^(\/|[A-Za-z]:[\\/])/);
const channel = z
	.strictObject({
		kind: z.enum(ALERT_CHANNEL_KINDS),
		url: z
			.url({ protocol: /^https?$/ })
			.optional()
			.describe("Of alertmanager and webhook; of pagerduty where it is not the public one. Never of slack, whose URL is a secret"),
		urlEnv: variable.optional().describe("Environment variable that holds the URL"),
		urlFile: filePath.optional().describe("File that holds the URL"),
		routingKeyEnv: variable.optional().describe("Of pagerduty: environment variable that holds the routing key"),
		routingKeyFile: filePath.optional().describe("Of pagerduty: file that holds the routing key"),
		secretEnv: variable.optional().describe("Of webhook: environment variable that holds the secret deliveries are signed with"),
		secretFile: filePath.optional().describe("Of webhook: file that holds that secret"),
		allowPrivate: z.boolean().optional().describe("Whether it may lead to a private, loopback or link-local address; default false"),
	} satisfies Record<WrittenField<"channel">, z.ZodType>)
	.describe("Where alerts are sent. Secrets are named, never written here");

const deployment = z.strictObject({
	provider: name.describe("Name of a provider (docs/providers.md)"),
	model: modelName.optional().describe("The provider's name for the model; the alias where left out"),
	pricedAsModel: modelName.optional().describe("Model whose price applies; model where left out"),
} satisfies Record<WrittenField<"deployment">, z.ZodType>);

const keyBatches = z
	.strictObject({
		resubmit: z.boolean().optional().describe("True: items that its batches left undone go into another batch; default false"),
		relane: z.boolean().optional().describe("True: items that its batches left undone go in real time, at whose price they are held; default false"),
	} satisfies Record<WrittenField<"keyBatches">, z.ZodType>)
	.describe("What is done with the key's own batches beside driving them");

const key = z
	.strictObject({
		feature: name.nullable().optional().describe("Feature its calls count for; null = not fixed"),
		user: name.nullable().optional().describe("User its calls count for; null = not fixed"),
		environment: name.nullable().optional(),
		models: z.array(modelName).nullable().optional().describe("Models it may ask for; null = all"),
		endpoints: z.array(z.enum(KEY_ENDPOINTS)).min(1).nullable().optional().describe("Endpoints it may call; null = all"),
		mayAssert: z.array(z.enum(ASSERTABLE)).optional().describe("Attribution its callers may name per call"),
		maxAsserted: z.int().min(1).max(MAX_ASSERTED).optional().describe("Distinct values they may name; 10000 for a new key"),
		requireRun: z.boolean().optional().describe("True: calls that name no agent run join one by their key and how their conversation begins; default false"),
		batches: keyBatches.optional(),
	} satisfies Record<WrittenField<"key">, z.ZodType>)
	.describe("What a key stands for. Keys are made by tollgate key create; a secret never stands here");

const cap = z
	.strictObject({
		feature: name.optional().describe("Of calls of this feature; of every call where left out"),
		inputTokens: count.optional(),
		outputTokens: count.optional(),
		costUsd: usd.optional().describe("The most one call may cost, in dollars"),
	} satisfies Record<WrittenField<"cap">, z.ZodType>)
	.describe("The most that one call may be");

const each = name.describe('A value, or "*" for each value by itself');
const rate = z
	.strictObject({
		feature: each.optional(),
		user: each.optional(),
		model: each.optional(),
		key: each.optional(),
		requestsPerMinute: count.optional(),
		tokensPerMinute: count.optional(),
		inFlight: count.optional().describe("Calls at the same time"),
	} satisfies Record<WrittenField<"rate">, z.ZodType>)
	.describe("How fast calls may come; of the whole team where it names no feature, user, model or key");

const ceilingOf = (amount: z.ZodType): z.ZodType =>
	z
		.union([
			amount,
			z.strictObject({
				soft: z
					.strictObject({ at: amount, action: z.enum(["warn", "degrade"]).optional(), degradeTo: z.record(modelName, modelName).optional() })
					.optional()
					.describe("Warns, or has another model of the same protocol serve what follows"),
				hard: z
					.strictObject({ at: amount, action: z.enum(["pause", "stop"]).optional() })
					.optional()
					.describe("Pauses the run, or stops it"),
			}),
		])
		.describe("An amount at which the run pauses, or soft and hard lines");
const wholeCeiling = ceilingOf(z.int().min(0));
const ceilings = z.strictObject({
	costUsd: ceilingOf(usd).optional().describe("Dollars of the run and of all below it"),
	...Object.fromEntries(CEILING_KINDS.filter((kind) => kind !== "costNanoUsd" && kind !== "toolCalls").map((kind) => [kind, wholeCeiling.optional()])),
	toolCalls: z.record(name, wholeCeiling).optional().describe('Calls by tool; "*" for each tool by itself'),
});
const runs = z
	.strictObject({
		limits: ceilings
			.nullable()
			.optional()
			.describe("Ceilings of a run that states none itself; 20 dollars, 24 hours, depth 8 and width 100 where nothing is said"),
		most: ceilings.nullable().optional().describe("What registering and raising a run may ask for at most; the team's budgets alone where nothing is said"),
		onLoop: z.enum(ON_LOOP).nullable().optional().describe("What a loop does to a run; pause where nothing is said"),
		newRunsPerHour: z
			.int()
			.min(1)
			.max(NEW_RUNS_PER_HOUR_MAX)
			.nullable()
			.optional()
			.describe("Runs without a parent that one key may begin in an hour; 1000 where nothing is said"),
		pauseHours: z
			.int()
			.min(1)
			.max(PAUSE_HOURS_MAX)
			.nullable()
			.optional()
			.describe("Hours after which a pause nobody answered becomes a stop; 168 where nothing is said"),
	} satisfies Record<WrittenField<"runs">, z.ZodType>)
	.describe("Agent runs of the team (docs/agent-runs.md)");

const setting = (field: keyof typeof DEFAULT_TEAM_POLICY): z.ZodType => {
	if (field === "unknownFields") return z.enum(["refuse", "pass"]);
	if (field === "onDisconnect") return z.enum(["drain", "cancel"]);
	return typeof DEFAULT_TEAM_POLICY[field] === "boolean" ? z.boolean() : z.int().min(0);
};
const settings = z
	.strictObject(
		Object.fromEntries((Object.keys(DEFAULT_TEAM_POLICY) as (keyof typeof DEFAULT_TEAM_POLICY)[]).map((field) => [field, setting(field).optional()])),
	)
	.describe("How calls of the team are treated (docs/policy.md)");

const team = z.strictObject({
	unlimited: z.boolean().optional().describe("True: the team spends without a budget of its own"),
	settings: settings.optional(),
	features: z.array(name).nullable().optional().describe("Features that calls may name; null = any"),
	keys: z
		.record(z.string().regex(/^key_[0-9a-f]{16}$/), key)
		.optional()
		.describe("Attributes of the team's keys, by key id"),
	budgets: z.array(budget).optional(),
	caps: z.array(cap).optional(),
	rates: z.array(rate).optional(),
	runs: runs.optional(),
	approvers: approvers.optional(),
	increaseCeilingUsd: increaseCeilingUsd.optional(),
	alerts: z.array(route).optional(),
} satisfies Record<WrittenField<"team">, z.ZodType>);

const organization = z
	.strictObject({
		timeZone: timeZone.optional(),
		weekStart: weekStart.optional(),
		fiscalYearStart: fiscalYearStart.optional(),
		overcommit: z.boolean().optional().describe("True: its budgets are shared, and teams' limits may add up to more"),
		approvers: approvers.optional(),
		increaseCeilingUsd: increaseCeilingUsd.optional(),
		budgets: z.array(budget).optional().describe("Of the whole organisation; they count every call"),
		alerts: z.array(route).optional().describe("Alerts of all teams"),
	} satisfies Record<WrittenField<"organization">, z.ZodType>)
	.describe("What holds for everybody. timeZone, weekStart and fiscalYearStart are defaults for every budget of this file");

export const policySchema = z
	.strictObject({
		version: z.literal(POLICY_VERSION),
		organization: organization.optional(),
		channels: z.record(entityName, channel).optional(),
		models: z.record(modelName, z.array(deployment).min(1)).optional().describe("Model aliases, each with its deployments in the order they are tried"),
		teams: z.record(entityName, team).optional(),
	} satisfies Record<WrittenField<"policy">, z.ZodType>)
	.describe("A Tollgate policy. What it leaves out stays as it is (docs/policy.md)");

/** JSON Schema 2020-12, as `config/policy.schema.json` holds it. */
export function policyJsonSchema(): Readonly<Record<string, unknown>> {
	return { title: "Tollgate policy", ...z.toJSONSchema(policySchema, { target: "draft-2020-12", io: "input" }) };
}
