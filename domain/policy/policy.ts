import type { TeamRuns } from "../agents/team-runs.ts";
import type { AlertChannel, AlertRoute } from "../alerts/channel.ts";
import type { BudgetDefinition, BudgetSelector } from "../budget/scope.ts";
import type { TeamLimits } from "../limits/team-limits.ts";

/**
 * What people declare about money, in the one form that is compared, stored and shown. A file of policy (docs/policy.md) is
 * read into a `PolicyFile`, which says less: whatever it leaves out stays as it is.
 *
 * Entries with a name of their own (teams, budgets by selector, caps by feature, rates by what they count, keys, channels,
 * aliases, routes by channel) stand or fall one by one; every other value, a list of approvers included, is set as a whole.
 */
export type Policy = {
	readonly organization: OrganizationPolicy;
	/** By name. */
	readonly channels: Readonly<Record<string, AlertChannel>>;
	/** Deployments of each model alias, in the order they are tried. */
	readonly models: Readonly<Record<string, readonly ModelDeployment[]>>;
	/** By team id. */
	readonly teams: Readonly<Record<string, TeamEntry>>;
};

export type OrganizationPolicy = {
	/** True: its budgets are shared and may be promised twice. False: each bounds the sum of its teams' limits of the same window and unit. */
	readonly isOvercommitted: boolean;
	readonly budgets: readonly BudgetDefinition[];
	/** Names of admin keys whose holders decide requests of every team. */
	readonly approvers: readonly string[];
	/** The most that one increase may add to a limit, as a decimal string; null = no such bound. */
	readonly increaseCeilingNanoUsd: string | null;
	/** Alerts of all teams go here. */
	readonly alerts: readonly AlertRoute[];
};

export type TeamEntry = {
	readonly isUnlimited: boolean;
	/** Fields of the team's request policy (domain/budget/team-policy.ts); absent = default. */
	readonly settings: Readonly<Record<string, unknown>>;
	/** Features that calls may name; null = any. */
	readonly features: readonly string[] | null;
	/** By key id. Keys are made and revoked elsewhere: their secrets never stand in a policy. */
	readonly keys: Readonly<Record<string, KeyAttributes>>;
	readonly budgets: readonly BudgetDefinition[];
	readonly limits: TeamLimits;
	/** Of its agent runs; {} = all as by default. */
	readonly runs: TeamRuns;
	/** Names of admin keys, beside those of the organisation. */
	readonly approvers: readonly string[];
	readonly increaseCeilingNanoUsd: string | null;
	readonly alerts: readonly AlertRoute[];
};

/** What a virtual key stands for; null = not fixed, or, for models and endpoints, all. */
export type KeyAttributes = {
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
	readonly models: readonly string[] | null;
	readonly endpoints: readonly string[] | null;
	/** Attribution the caller may name per call. */
	readonly mayAssert: readonly ("user" | "feature")[];
	/** Distinct asserted values per dimension. */
	readonly maxAsserted: number;
	/** Calls that name no agent run join an implicit one. */
	readonly requiresRun: boolean;
	/** What its batches leave undone goes into another batch; a batch keeps the rule it was made with. */
	readonly resubmitsBatches: boolean;
	/** What no batch may carry any more of them goes in real time, at its price. */
	readonly relanesBatches: boolean;
};

export type ModelDeployment = { readonly provider: string; readonly model: string; readonly pricedAsModel: string };

/** A budget of a file: what it leaves out stays, or takes its default where the budget is new. */
export type BudgetFile = BudgetSelector & { readonly limitAmount: string } & Partial<Omit<BudgetDefinition, keyof BudgetSelector | "limitAmount">>;

export type OrganizationFile = Partial<Omit<OrganizationPolicy, "budgets">> & { readonly budgets?: readonly BudgetFile[] };

/** null: back to the default. */
export type TeamRunsFile = { readonly [Name in keyof TeamRuns]?: Exclude<TeamRuns[Name], undefined> | null };

export type TeamFile = Partial<Omit<TeamEntry, "budgets" | "keys" | "limits" | "runs">> & {
	readonly budgets?: readonly BudgetFile[];
	readonly keys?: Readonly<Record<string, Partial<KeyAttributes>>>;
	readonly limits?: Partial<TeamLimits>;
	readonly runs?: TeamRunsFile;
};

/** A `Policy` of which everything may be left out. */
export type PolicyFile = {
	readonly organization?: OrganizationFile;
	readonly channels?: Readonly<Record<string, AlertChannel>>;
	readonly models?: Readonly<Record<string, readonly ModelDeployment[]>>;
	readonly teams?: Readonly<Record<string, TeamFile>>;
};

export const EMPTY_TEAM: TeamEntry = {
	isUnlimited: false,
	settings: {},
	features: null,
	keys: {},
	budgets: [],
	limits: { caps: [], rates: [] },
	runs: {},
	approvers: [],
	increaseCeilingNanoUsd: null,
	alerts: [],
};

export const EMPTY_POLICY: Policy = {
	organization: { isOvercommitted: false, budgets: [], approvers: [], increaseCeilingNanoUsd: null, alerts: [] },
	channels: {},
	models: {},
	teams: {},
};
