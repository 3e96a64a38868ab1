import { type TeamRuns, tellingRuns } from "../agents/team-runs.ts";
import type { AlertRoute } from "../alerts/channel.ts";
import { type BudgetDefinition, type BudgetThreshold, DEFAULT_WARN_BASIS_POINTS, selectorKey } from "../budget/scope.ts";
import { DEFAULT_TEAM_POLICY } from "../budget/team-policy.ts";
import type { CallCap, RateRule } from "../limits/team-limits.ts";
import {
	type BudgetFile,
	EMPTY_POLICY,
	EMPTY_TEAM,
	type KeyAttributes,
	type OrganizationFile,
	type OrganizationPolicy,
	type Policy,
	type PolicyFile,
	type TeamEntry,
	type TeamFile,
	type TeamRunsFile,
} from "./policy.ts";
import { entryOf } from "./policy-path.ts";

/**
 * What would hold after a file is applied. What it leaves out stays; pruning makes the file the whole policy instead, so that
 * what it does not name is archived and what it leaves out of an entry takes its default. Keys alone are never pruned: they
 * are made and revoked by themselves, and end with their team.
 *
 * The result is in one order (budgets by selector, everything named by its name), so that equal policies are equal text.
 */
export function mergePolicy(current: Policy, file: PolicyFile, options: { readonly isPruning: boolean }): Policy {
	const base = options.isPruning ? withoutAllBut(current, file) : current;
	// Teams the file does not name are put in order all the same.
	const untouched = Object.fromEntries(Object.keys(base.teams).map((id): [string, TeamFile] => [id, {}]));
	return {
		organization: mergeOrganization(base.organization, file.organization ?? {}),
		channels: sorted({ ...base.channels, ...file.channels }),
		models: sorted({ ...base.models, ...file.models }),
		teams: mergeRecords(base.teams, { ...untouched, ...file.teams }, (known, given) => mergeTeam(known ?? EMPTY_TEAM, given)),
	};
}

const DEFAULT_KEY: KeyAttributes = {
	feature: null,
	userId: null,
	environment: null,
	models: null,
	endpoints: null,
	mayAssert: [],
	maxAsserted: 10_000,
	requiresRun: false,
	resubmitsBatches: false,
	relanesBatches: false,
};
const DEFAULT_THRESHOLDS: readonly BudgetThreshold[] = [{ action: "notify", at: { basisPoints: DEFAULT_WARN_BASIS_POINTS } }];

/** The policy in the one order in which two of them are compared. */
export function inOrder(policy: Policy): Policy {
	return mergePolicy(policy, {}, { isPruning: false });
}

/** "" stands for the cap on every feature. */
export function capKey({ feature }: CallCap): string {
	return feature ?? "";
}

export function rateKey({ dimension, dimensionValue }: Pick<RateRule, "dimension" | "dimensionValue">): string {
	return `${dimension}|${dimensionValue}`;
}

export function routeKey({ channel }: AlertRoute): string {
	return channel;
}

/** Fields that say something else than their default. */
export function tellingSettings(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
	const defaults: Readonly<Record<string, unknown>> = DEFAULT_TEAM_POLICY;
	return sorted(Object.fromEntries(Object.entries(settings).filter(([field, value]) => entryOf(defaults, field) !== value)));
}

function withoutAllBut(current: Policy, file: PolicyFile): Policy {
	const named = Object.entries(current.teams).filter(([id]) => file.teams !== undefined && Object.hasOwn(file.teams, id));
	return { ...EMPTY_POLICY, teams: Object.fromEntries(named.map(([id, { keys }]) => [id, { ...EMPTY_TEAM, keys }])) };
}

function mergeOrganization(known: OrganizationPolicy, file: OrganizationFile): OrganizationPolicy {
	return {
		isOvercommitted: file.isOvercommitted ?? known.isOvercommitted,
		budgets: mergeBudgets(known.budgets, file.budgets ?? []),
		approvers: file.approvers ?? known.approvers,
		increaseCeilingNanoUsd: given(file.increaseCeilingNanoUsd, known.increaseCeilingNanoUsd),
		alerts: mergeLists(known.alerts, file.alerts ?? [], routeKey),
	};
}

function mergeTeam(known: TeamEntry, file: TeamFile): TeamEntry {
	return {
		isUnlimited: file.isUnlimited ?? known.isUnlimited,
		settings: tellingSettings({ ...known.settings, ...file.settings }),
		features: given(file.features, known.features),
		keys: mergeRecords(known.keys, file.keys ?? {}, (key, attributes) => mergeKey(key ?? DEFAULT_KEY, attributes)),
		budgets: mergeBudgets(known.budgets, file.budgets ?? []),
		limits: {
			caps: mergeLists(known.limits.caps, file.limits?.caps ?? [], capKey),
			rates: mergeLists(known.limits.rates, file.limits?.rates ?? [], rateKey),
		},
		runs: mergeRuns(known.runs, file.runs ?? {}),
		approvers: file.approvers ?? known.approvers,
		increaseCeilingNanoUsd: given(file.increaseCeilingNanoUsd, known.increaseCeilingNanoUsd),
		alerts: mergeLists(known.alerts, file.alerts ?? [], routeKey),
	};
}

/** Field by field; each is set as a whole. */
function mergeRuns(known: TeamRuns, file: TeamRunsFile): TeamRuns {
	const said = Object.entries({ ...known, ...file }).filter(([, value]) => value !== null);
	return tellingRuns(Object.fromEntries(said));
}

function mergeKey(known: KeyAttributes, attributes: Partial<KeyAttributes>): KeyAttributes {
	return {
		feature: given(attributes.feature, known.feature),
		userId: given(attributes.userId, known.userId),
		environment: given(attributes.environment, known.environment),
		models: given(attributes.models, known.models),
		endpoints: given(attributes.endpoints, known.endpoints),
		mayAssert: attributes.mayAssert ?? known.mayAssert,
		maxAsserted: attributes.maxAsserted ?? known.maxAsserted,
		requiresRun: attributes.requiresRun ?? known.requiresRun,
		resubmitsBatches: attributes.resubmitsBatches ?? known.resubmitsBatches,
		relanesBatches: attributes.relanesBatches ?? known.relanesBatches,
	};
}

function mergeBudgets(known: readonly BudgetDefinition[], files: readonly BudgetFile[]): readonly BudgetDefinition[] {
	const budgets = new Map(known.map((budget) => [selectorKey(budget), budget]));
	const merged = files.map((file) => mergeBudget(budgets.get(selectorKey(file)), file));
	return mergeLists(known, merged, selectorKey);
}

function mergeBudget(known: BudgetDefinition | undefined, file: BudgetFile): BudgetDefinition {
	return {
		dimension: file.dimension,
		dimensionValue: file.dimensionValue,
		unit: file.unit,
		windowKind: file.windowKind,
		timeZone: file.timeZone ?? known?.timeZone ?? "UTC",
		weekStart: file.weekStart ?? known?.weekStart ?? 1,
		fiscalYearStart: file.fiscalYearStart ?? known?.fiscalYearStart ?? 1,
		limitAmount: file.limitAmount,
		mode: file.mode ?? known?.mode ?? "enforce",
		thresholds: file.thresholds ?? known?.thresholds ?? DEFAULT_THRESHOLDS,
	};
}

/** null says something too: none. */
function given<Value>(value: Value | undefined, known: Value): Value {
	return value === undefined ? known : value;
}

function mergeLists<Item>(known: readonly Item[], items: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
	const byKey = new Map([...known, ...items].map((item) => [keyOf(item), item]));
	return [...byKey].sort(byFirst).map(([, item]) => item);
}

function mergeRecords<Known, Given>(
	known: Readonly<Record<string, Known>>,
	file: Readonly<Record<string, Given>>,
	merge: (known: Known | undefined, given: Given) => Known,
): Readonly<Record<string, Known>> {
	const merged = Object.entries(file).map(([name, value]): [string, Known] => [name, merge(entryOf(known, name), value)]);
	return sorted({ ...known, ...Object.fromEntries(merged) });
}

function sorted<Value>(record: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
	return Object.fromEntries(Object.entries(record).sort(byFirst));
}

/** By code units: the same on every machine. */
function byFirst([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
	return left < right ? -1 : left > right ? 1 : 0;
}
