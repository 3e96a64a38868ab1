import { z } from "zod";
import { ADMIN_ROLES } from "#domain/access/admin-role.ts";
import { isStorableText, STORABLE_TEXT_RULE } from "#domain/text/storable-text.ts";
import { PolicyDiff, PolicyMistake } from "./policy-contract.ts";

/**
 * Requests and answers of the administration API, `/admin/v1`. The gateway side validates with these
 * schemas and generates OpenAPI from them; the client side takes its types from them.
 * Amounts are decimal strings (nano-USD, or tokens for budgets in tokens), times ISO 8601 in UTC.
 */
export const ADMINISTRATION_PREFIX = "/admin/v1";

export const amount = z
	.string()
	.regex(/^-?\d+$/)
	.describe("decimal string in nano-USD, or in tokens for a budget in tokens");
export const nanoUsd = z
	.string()
	.regex(/^-?\d+$/)
	.describe("decimal string of nano-USD (1 USD = 1000000000)");
export const usd = z.string().describe('dollars with at most nine decimals, like "0.25"');
export const time = z.string().describe("ISO 8601, UTC");
export const Workflow = z
	.object({ id: z.string(), uiUrl: z.string().nullable().describe("in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL)") })
	.nullable()
	.describe("in Temporal; null: there is none, or none yet");
export const text = z.string().min(1).max(200).refine(isStorableText, STORABLE_TEXT_RULE);
export const Attribution = z
	.string()
	.min(1)
	.max(128)
	.refine((value) => value.trim() === value && isStorableText(value), "must be printable, without blanks around it");
export const teamId = z
	.string()
	.min(1)
	.max(64)
	.refine(isStorableText, STORABLE_TEXT_RULE)
	.describe('team name; "@organization" stands for the organisation where budgets are meant');
const revision = z.string().describe("position in the change log");
const durationMs = z.int().min(1).max(315_576_000_000);

export const TeamPolicy = z
	.record(z.string(), z.unknown())
	.describe(
		"admissionWaitMs, clampFloorTokens, clampFloorReasoningTokens, mayLowerCallerCap (true|false), unknownFields (refuse|pass), onDisconnect (drain|cancel), maxCallMs, outageAllowanceNanoUsd and outageAllowanceTokens (kept by each gateway in every budget for an outage of PostgreSQL), velocitySigmas, velocityMinimumNanoUsd and velocityThrottleMinutes (docs/limits.md); what is left out keeps its default",
	);

export const BudgetThreshold = z.strictObject({
	action: z.string().describe("notify, degrade (to another model alias), needApproval or stop"),
	at: z
		.strictObject({
			basisPoints: z.number().optional().describe("hundredths of a percent of the limit, 1 to 10000"),
			amount: z.string().optional().describe("decimal string in the unit of the budget, at most the limit"),
		})
		.describe("one of the two"),
	degradeTo: z.record(z.string(), z.string()).optional().describe("of degrade: model alias asked for → alias served instead, over the same protocol"),
});
const count = z.int().min(1).optional();
export const CallCap = z
	.object({ feature: z.string().nullable(), inputTokens: count, outputTokens: count, costNanoUsd: nanoUsd.optional() })
	.describe("the most one call of the feature may take in, put out or cost; feature null = every call of the team; the strictest that matches holds");
export const RateRule = z
	.object({ dimension: z.string(), dimensionValue: z.string(), requestsPerMinute: count, tokensPerMinute: count, inFlight: count })
	.describe('dimension: team, feature, user, model or key; dimensionValue "*" = each value by itself, "" for the team');
export const TeamLimits = z.object({ caps: z.array(CallCap).readonly(), rates: z.array(RateRule).readonly() });
export const TeamLimitsSetting = z.record(z.string(), z.unknown()).describe("caps and rates as in the answer (docs/limits.md); replaced as a whole");

export const BudgetSelectorFields = z.strictObject({
	dimension: z.string().optional().describe("team (default), feature, user, model, provider, key, environment, organization"),
	dimensionValue: z.string().optional().describe("which feature, user, model …; absent for team and organization"),
	unit: z.string().optional().describe("nano_usd (default) or tokens"),
	windowKind: z.string().describe("hour, day, week, month, quarter or lifetime"),
});
export const BudgetFields = BudgetSelectorFields.extend({
	timeZone: z.string().optional().describe("IANA name; default: as it is, UTC for a new budget"),
	limitUsd: usd.optional(),
	limitAmount: z.string().optional().describe("limit as decimal string in the unit of the budget; this or limitUsd"),
	weekStart: z.int().optional().describe("first day of a week, 1 = Monday (default) to 7"),
	fiscalYearStart: z.int().optional().describe("first month of the fiscal year, 1 (default) to 12; quarters begin in it and in every third month after"),
	mode: z.string().optional().describe("enforce (default) or observe: books everything, refuses nothing, reports what it would have refused"),
	thresholds: z
		.array(BudgetThreshold)
		.optional()
		.describe("all lines, ascending, at most 8; default: as they are, one notice at 80 % for a new budget; the limit itself is always a stop"),
	stopUsd: usd.nullable().optional().describe("short form of one stop in the place of all stops, in dollars; null takes them away"),
	stopAmount: z.string().nullable().optional().describe("the same in the unit of the budget"),
	warnBasisPoints: z.int().optional().describe("short form of one notice in the place of all notices, in hundredths of a percent of the limit"),
});
export const SetBudgetRequest = BudgetFields.extend({ teamId });
export const RemoveBudgetRequest = BudgetSelectorFields.extend({ teamId });

export const Budget = z.object({
	id: z.string(),
	teamId,
	dimension: z.string(),
	dimensionValue: z.string(),
	unit: z.string(),
	windowKind: z.string(),
	timeZone: z.string(),
	weekStart: z.int(),
	fiscalYearStart: z.int(),
	limitAmount: amount.describe("without increases"),
	raisedAmount: amount.describe("what increases in force add to it"),
	raisedUntil: time.nullable().describe("when the first of them ends"),
	mode: z.string(),
	thresholds: z.array(BudgetThreshold),
	stopAmount: amount.nullable().describe("where spend stops below the limit in the current window; null = at the limit"),
	needsApproval: z.boolean().describe("that line waits for the approval of a person"),
	approvedAmount: amount.describe("up to here spend was approved in the current window"),
	wouldRefuse: z.int().describe("calls of the current window that it would have refused, were it enforced; counted up to 1000"),
	isFrozen: z.boolean(),
	postedAmount: amount.describe("spent for certain"),
	pendingAmount: amount.describe("of what is left, leased by gateways for calls in flight and to come"),
	leftAmount: amount.describe("limit or stop less what is spent"),
	isOverrun: z.boolean().describe("stopped until the next window, or until the budget is set again"),
	overrunAmount: amount,
	windowStartsAt: time.nullable(),
	resetsAt: time.nullable(),
});
export const BudgetList = z.object({ budgets: z.array(Budget) });

export const TeamToday = z.object({
	teamId,
	timeZone: z.string().describe("of the team's day budget, else its month budget, else any; else the organisation's, else UTC"),
	date: z.string().describe("the team's local day, like 2026-11-26"),
	spentNanoUsd: nanoUsd.describe("booked so far, counted twice a minute"),
	expectedNanoUsd: nanoUsd
		.nullable()
		.describe("median of the same weekday over six weeks; with under 14 days of history what the budgets allow per day; null = neither"),
	expectedFrom: z.enum(["history", "limit"]).nullable(),
	isAboveExpected: z.boolean().describe("more than twice what was expected"),
});
export const Team = z.object({
	id: z.string(),
	isUnlimited: z.boolean(),
	isFrozen: z.boolean(),
	policy: z.record(z.string(), z.unknown()),
	limits: TeamLimits,
	createdAt: time,
});
export const FrozenTeam = Team.extend({
	isWorkflowTold: z.boolean().describe("false: it is in force, but Temporal does not answer; the team's workflow and the Temporal UI learn of it when it does"),
});
export const TeamList = z.object({ teams: z.array(Team) });
export const CreateTeamRequest = z.strictObject({
	id: z.string(),
	isUnlimited: z.boolean().optional(),
	policy: TeamPolicy.optional(),
	limits: TeamLimitsSetting.optional(),
	budget: BudgetFields.optional(),
});
export const CreatedTeam = z.object({ team: Team, budget: Budget.nullable() });
export const ChangeTeamRequest = z.strictObject({ isUnlimited: z.boolean().optional(), policy: TeamPolicy.optional(), limits: TeamLimitsSetting.optional() });
export const Throttle = z.object({
	teamId,
	dimension: z.enum(["key", "user"]),
	value: z.string(),
	requestsPerMinute: z.int(),
	until: time,
	reason: z.string(),
	setAt: time,
	setBy: z.string(),
});
export const ThrottleList = z.object({ throttles: z.array(Throttle) });
export const EndThrottleRequest = z.strictObject({ teamId, dimension: z.enum(["key", "user"]), value: text });
export const FreezeRequest = z.strictObject({ reason: text });

export const CreateKeyRequest = z.strictObject({
	teamId,
	feature: Attribution.optional(),
	userId: Attribution.optional(),
	environment: Attribution.optional(),
	models: z.array(text).max(1_000).optional().describe("model aliases it may ask for; absent = all"),
	endpoints: z
		.array(z.enum(["chat.completions", "responses", "embeddings", "messages", "count_tokens"]))
		.min(1)
		.optional()
		.describe("absent = all"),
	mayAssert: z
		.array(z.enum(["user", "feature"]))
		.optional()
		.describe("attribution the caller may name per call"),
	maxAsserted: z.int().min(1).max(10_000_000).optional().describe("distinct asserted values per dimension; default 10000"),
	requiresRun: z.boolean().optional().describe("true: calls that name no agent run join one by their key and how their conversation begins; default false"),
	resubmitsBatches: z.boolean().optional().describe("true: items that its batches left undone go into another batch, once; default false"),
	relanesBatches: z
		.boolean()
		.optional()
		.describe(
			"true: items that its batches left undone go in real time, at whose price they are held, after the other batch where there is one; default false",
		),
	expiresInMs: durationMs.optional().describe("absent = until revoked"),
});
export const CreatedKey = z.object({ id: z.string(), key: z.string().describe("the secret; shown this once"), revision });
export const RotateKeyRequest = z.strictObject({
	overlapMs: z.int().min(0).max(315_576_000_000).optional().describe("how long the old key works on; default 24 h"),
	expiresInMs: durationMs.optional(),
});
export const Key = z.object({
	id: z.string(),
	teamId,
	feature: z.string().nullable(),
	userId: z.string().nullable(),
	environment: z.string().nullable(),
	models: z.array(z.string()).nullable(),
	endpoints: z.array(z.string()).nullable(),
	mayAssert: z.array(z.string()),
	maxAsserted: z.int(),
	requiresRun: z.boolean(),
	resubmitsBatches: z.boolean(),
	relanesBatches: z.boolean(),
	rotatedFrom: z.string().nullable(),
	createdAt: time,
	createdBy: z.string(),
	expiresAt: time.nullable(),
	revokedAt: time.nullable(),
});
export const KeyList = z.object({ keys: z.array(Key) });

export const PriceLineJson = z.record(z.string(), z.unknown()).describe("a price line; amounts are decimal strings of nano-USD per million tokens");
export const PriceList = z.object({ version: z.int(), lines: z.array(PriceLineJson) });
export const SetPriceRequest = z.strictObject({ line: PriceLineJson, effectiveFrom: time.optional() });
export const PriceSet = z.object({ version: z.int(), revision });
export const CheckPriceRequest = z.strictObject({
	model: text,
	provider: text.optional(),
	tier: z.enum(["standard", "batch", "flex", "priority"]).optional(),
	usage: z.record(z.string(), z.unknown()),
});
export const PriceCheck = z.object({
	costNanoUsd: nanoUsd,
	lines: z.array(z.record(z.string(), z.unknown())),
	provider: z.string(),
	model: z.string(),
	priceTier: z.string(),
	priceVersion: z.int(),
});

export const Lease = z.object({
	gatewayId: z.string(),
	epoch: z.string(),
	teamId,
	budget: z.string(),
	unit: z.string(),
	grantedAmount: amount,
	returnedAmount: amount,
	postedAmount: amount,
	pendingAmount: amount,
	overrunAmount: amount,
	silentMs: z.number().nullable(),
	closedHow: z.string().nullable(),
});
export const LeaseList = z.object({ leases: z.array(Lease) });
export const ResolveLeaseRequest = z.strictObject({ gatewayId: text, epoch: z.string().regex(/^\d{1,18}$/), spentUsd: usd });
export const ResolvedLease = z.object({ gatewayId: z.string(), epoch: z.string(), lumps: z.array(z.object({ entryKey: z.string(), amountNanoUsd: nanoUsd })) });

export const adminRole = z
	.enum(ADMIN_ROLES)
	.describe("operator: everything; viewer: reads everything; finance: reads everything, and closes months; team-owner: his teams");
export const AdminKey = z.object({
	id: z.string(),
	name: z.string(),
	role: adminRole,
	teamIds: z.array(z.string()).nullable().describe("of a team-owner; null: all"),
	createdAt: time,
	createdBy: z.string(),
	revokedAt: time.nullable(),
});
export const AdminKeyList = z.object({ adminKeys: z.array(AdminKey) });
export const CreateAdminKeyRequest = z.strictObject({
	name: z.string(),
	role: adminRole.optional().describe("default operator"),
	teamIds: z.array(teamId).optional().describe("of a team-owner, at least one"),
});
export const CreatedAdminKey = z.object({ id: z.string(), key: z.string().describe("the secret; shown this once") });

export const UserName = z.object({ userId: z.string(), name: z.string(), namedAt: time, namedBy: z.string() });
export const UserNameList = z.object({ users: z.array(UserName) });
export const NameUserRequest = z.strictObject({ name: text });

export const Change = z.object({ revision, at: time, kind: z.string(), subject: z.string(), adminName: z.string(), detail: z.record(z.string(), z.unknown()) });
export const ChangeList = z.object({ changes: z.array(Change) });

export const Done = z.object({ done: z.literal(true) });
export const Problem = z.object({
	error: z.object({
		code: z.string(),
		message: z.string(),
		field: z.string().nullable(),
		mistakes: z.array(PolicyMistake).optional().describe("of a policy file, every one"),
		diff: PolicyDiff.optional().describe("what a policy would change now, where something was changed since it was looked at"),
	}),
});
