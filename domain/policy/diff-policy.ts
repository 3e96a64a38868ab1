import type { TeamRuns } from "../agents/team-runs.ts";
import type { AlertRoute } from "../alerts/channel.ts";
import { type BudgetDefinition, describeSelector, selectorKey } from "../budget/scope.ts";
import { DEFAULT_TEAM_POLICY } from "../budget/team-policy.ts";
import type { CallCap, RateRule } from "../limits/team-limits.ts";
import {
	describeBudget,
	describeCap,
	describeChannel,
	describeDeployments,
	describeKey,
	describeRate,
	describeRoute,
	describeRuns,
	describeValue,
} from "./describe-policy.ts";
import {
	type Effect,
	effectOfAll,
	effectOfBudget,
	effectOfCap,
	effectOfCeiling,
	effectOfFlag,
	effectOfKey,
	effectOfList,
	effectOfRate,
	effectOfRuns,
} from "./effect.ts";
import { capKey, inOrder, rateKey, routeKey, tellingSettings } from "./merge-policy.ts";
import { EMPTY_TEAM, type Policy, type TeamEntry } from "./policy.ts";
import { renderPath } from "./policy-path.ts";

/**
 * What differs between two policies, entry by entry, in the order of the policy: organisation, channels, models, teams.
 * Plain data: `after` put at `at` for each of them, or the entry taken away where it is archived, makes `next` of `current`.
 */
export type PolicyChange = {
	readonly kind: "add" | "change" | "archive";
	/** Sections and names down to the entry; budgets, caps, rates and routes by their key. */
	readonly at: readonly string[];
	/** The same for people: "teams.search.budgets.team, day". */
	readonly path: string;
	/** null where there was nothing, or none. */
	readonly before: unknown;
	readonly after: unknown;
	/** What calls feel of it; "both" where one part tightens and another loosens. */
	readonly effect: Effect;
	readonly summary: string;
};

/** Ordered; empty when both say the same. */
export function diffPolicy(current: Policy, next: Policy): readonly PolicyChange[] {
	const [before, after] = [inOrder(current), inOrder(next)];
	return [
		...diffOrganization(before, after),
		...diffEntries(["channels"], [before.channels, after.channels], { describe: (channel) => describeChannel(channel) }),
		...diffEntries(["models"], [before.models, after.models], { describe: describeDeployments }),
		...diffTeams(before.teams, after.teams),
	];
}

type Pair<Value> = readonly [Value, Value];
type EntryRules<Value> = {
	readonly describe: (value: Value) => string;
	/** undefined = not there. */
	readonly effect?: (before: Value | undefined, after: Value | undefined) => Effect;
	/** How the path names an entry; default: by its key. */
	readonly title?: (value: Value) => string;
};
type ValueRules<Value> = { readonly describe?: (value: Value) => string; readonly effect?: (before: Value, after: Value) => Effect };

function diffOrganization({ organization: before }: Policy, { organization: after }: Policy): PolicyChange[] {
	const at = ["organization"];
	return [
		...diffValue([...at, "overcommit"], [before.isOvercommitted, after.isOvercommitted], { effect: effectOfFlag }),
		...diffValue([...at, "approvers"], [before.approvers, after.approvers]),
		...diffValue([...at, "increaseCeilingUsd"], [before.increaseCeilingNanoUsd, after.increaseCeilingNanoUsd], ceilingRules),
		...diffBudgets(at, [before.budgets, after.budgets]),
		...diffRoutes(at, [before.alerts, after.alerts]),
	];
}

function diffTeams(before: Policy["teams"], after: Policy["teams"]): PolicyChange[] {
	const ids = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
	return ids.flatMap((id) => {
		const at = ["teams", id];
		const [known, wanted] = [ownTeam(before, id), ownTeam(after, id)];
		if (wanted === undefined) return known === undefined ? [] : [archivedTeam(at, known)];
		const added: PolicyChange = { kind: "add", at, path: renderPath(at), before: null, after: EMPTY_TEAM, effect: "neutral", summary: `team ${id}` };
		return [...(known === undefined ? [added] : []), ...diffTeam(at, known ?? EMPTY_TEAM, wanted)];
	});
}

function archivedTeam(at: readonly string[], team: TeamEntry): PolicyChange {
	const keyCount = Object.keys(team.keys).length;
	const summary = `team ${at.at(-1) ?? ""} with ${count(team.budgets.length, "budget")} and ${count(keyCount, "key")}, whose calls are refused from then on`;
	return { kind: "archive", at, path: renderPath(at), before: team, after: null, effect: "tightens", summary };
}

function diffTeam(at: readonly string[], before: TeamEntry, after: TeamEntry): PolicyChange[] {
	return [
		...diffValue([...at, "unlimited"], [before.isUnlimited, after.isUnlimited], { effect: effectOfFlag }),
		...diffSettings([...at, "settings"], [before.settings, after.settings]),
		...diffValue([...at, "features"], [before.features, after.features], {
			effect: effectOfList,
			describe: (features) => (features === null ? "any" : describeValue(features)),
		}),
		...diffValue([...at, "approvers"], [before.approvers, after.approvers]),
		...diffValue([...at, "increaseCeilingUsd"], [before.increaseCeilingNanoUsd, after.increaseCeilingNanoUsd], ceilingRules),
		...diffBudgets(at, [before.budgets, after.budgets]),
		...diffEntries([...at, "caps"], [byKey(before.limits.caps, capKey), byKey(after.limits.caps, capKey)], capRules),
		...diffEntries([...at, "rates"], [byKey(before.limits.rates, rateKey), byKey(after.limits.rates, rateKey)], rateRules),
		...diffValue([...at, "runs"], [before.runs, after.runs], runRules),
		...diffEntries([...at, "keys"], [before.keys, after.keys], { describe: describeKey, effect: effectOfKey }),
		...diffRoutes(at, [before.alerts, after.alerts]),
	];
}

const ceilingRules: ValueRules<string | null> = { effect: effectOfCeiling, describe: (amount) => describeValue(amount, "nano_usd") };
const runRules: ValueRules<TeamRuns> = { effect: effectOfRuns, describe: describeRuns };
const budgetRules: EntryRules<BudgetDefinition> = { describe: describeBudget, effect: effectOfBudget, title: describeSelector };
const capRules: EntryRules<CallCap> = {
	describe: describeCap,
	effect: effectOfCap,
	title: ({ feature }) => (feature === null ? "every feature" : `feature ${feature}`),
};
const rateRules: EntryRules<RateRule> = { describe: describeRate, effect: effectOfRate, title: rateTitle };

function rateTitle({ dimension, dimensionValue }: RateRule): string {
	if (dimension === "team") return dimension;
	return dimensionValue === "*" ? `each ${dimension}` : `${dimension} ${dimensionValue}`;
}

function diffBudgets(at: readonly string[], [before, after]: Pair<readonly BudgetDefinition[]>): PolicyChange[] {
	return diffEntries([...at, "budgets"], [byKey(before, selectorKey), byKey(after, selectorKey)], budgetRules);
}

function diffRoutes(at: readonly string[], [before, after]: Pair<readonly AlertRoute[]>): PolicyChange[] {
	return diffEntries([...at, "alerts"], [byKey(before, routeKey), byKey(after, routeKey)], { describe: describeRoute });
}

function diffSettings(at: readonly string[], [before, after]: Pair<Readonly<Record<string, unknown>>>): PolicyChange[] {
	const defaults: Readonly<Record<string, unknown>> = DEFAULT_TEAM_POLICY;
	const [known, wanted] = [tellingSettings(before), tellingSettings(after)];
	const fields = [...new Set([...Object.keys(known), ...Object.keys(wanted)])].sort();
	return fields.flatMap((field) => diffValue([...at, field], [known[field] ?? defaults[field] ?? null, wanted[field] ?? defaults[field] ?? null]));
}

function diffValue<Value>(at: readonly string[], [before, after]: Pair<Value>, rules: ValueRules<Value> = {}): PolicyChange[] {
	if (isSame(before, after)) return [];
	const describe = rules.describe ?? describeValue;
	const effect = rules.effect?.(before, after) ?? "neutral";
	return [{ kind: "change", at, path: renderPath(at), before, after, effect, summary: `${at.at(-1) ?? ""}: ${describe(before)} → ${describe(after)}` }];
}

function diffEntries<Value>(at: readonly string[], [before, after]: Pair<Readonly<Record<string, Value>>>, rules: EntryRules<Value>): PolicyChange[] {
	const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
	return keys.flatMap((key): PolicyChange[] => {
		const known = Object.hasOwn(before, key) ? before[key] : undefined;
		const wanted = Object.hasOwn(after, key) ? after[key] : undefined;
		if (isSame(known, wanted)) return [];
		const shown = wanted ?? known;
		const title = shown !== undefined && rules.title ? rules.title(shown) : key;
		const path = `${renderPath(at)}.${rules.title ? title : renderPath([key])}`;
		const kind = known === undefined ? "add" : wanted === undefined ? "archive" : "change";
		const words = [known, wanted].flatMap((value) => (value === undefined ? [] : [rules.describe(value)])).join(" → ");
		const effect = rules.effect ? effectOfAll([rules.effect(known, wanted)]) : "neutral";
		return [{ kind, at: [...at, key], path, before: known ?? null, after: wanted ?? null, effect, summary: `${singular(at.at(-1))} ${title}: ${words}` }];
	});
}

const SINGULAR: Readonly<Record<string, string>> = {
	budgets: "budget",
	caps: "cap",
	rates: "rate",
	keys: "key",
	alerts: "alerts to",
	channels: "channel",
	models: "model",
};

function singular(section = ""): string {
	return SINGULAR[section] ?? section;
}

function byKey<Item>(items: readonly Item[], keyOf: (item: Item) => string): Readonly<Record<string, Item>> {
	return Object.fromEntries(items.map((item) => [keyOf(item), item]));
}

function ownTeam(teams: Policy["teams"], id: string): TeamEntry | undefined {
	return Object.hasOwn(teams, id) ? teams[id] : undefined;
}

function count(number: number, noun: string): string {
	return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Deep, whatever the order of properties; lists count in their order. */
function isSame(left: unknown, right: unknown): boolean {
	return stableText(left) === stableText(right);
}

function stableText(value: unknown): string {
	return (
		JSON.stringify(value, (_, part: unknown) => {
			if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
			return Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)));
		}) ?? ""
	);
}
