import { problemsOfMost } from "../agents/team-runs.ts";
import { type AlertRoute, checkSecretPlaces, type KeptPlaceProblem } from "../alerts/channel.ts";
import {
	type BudgetDefinition,
	checkBudgetDefinition,
	MAX_BUDGETS_PER_TEAM,
	MAX_WINDOWS_PER_CALL,
	ORGANIZATION_ID,
	selectorKey,
	windowsPerCallMax,
} from "../budget/scope.ts";
import type { Protocol } from "../pricing/price-book.ts";
import { checkModels } from "./check-models.ts";
import { checkOrganizationBound } from "./check-organization-bound.ts";
import { mergePolicy } from "./merge-policy.ts";
import { createSuggest, type Suggest } from "./nearest-name.ts";
import type { BudgetFile, Policy, PolicyFile, TeamEntry, TeamFile } from "./policy.ts";
import { entryOf, type PolicyPath, type PolicyProblem } from "./policy-path.ts";
import { MAX_LIMIT_RULES } from "./written-form.ts";

/**
 * What a file of policy says of the world around it: people, keys, models, what holds already. Where it only changes a part,
 * the whole that would hold afterwards is judged; what nobody touches is not complained of. Paths are those of the written
 * form (domain/policy/written-form.ts), list items in the order of the file.
 */
export type PolicyWorld = {
	readonly current: Policy;
	/** Names of admin keys that work. */
	readonly adminNames: ReadonlySet<string>;
	/** Ids of teams that were ended: an id is never given twice. */
	readonly endedTeams: ReadonlySet<string>;
	/** Team of each virtual key that is not revoked, by key id. */
	readonly teamOfKey: ReadonlyMap<string, string>;
	/** Protocol of each provider the gateways know, by name. */
	readonly protocolOfProvider: (provider: string) => Protocol | undefined;
	/** Protocol of an alias that no policy declares: of TOLLGATE_PROVIDERS_FILE or the price book; undefined = it is not served. */
	readonly protocolOfModel: (alias: string) => Protocol | undefined;
	/** What Tollgate keeps for itself of where channels may find secrets. */
	readonly keptPlaceProblem: KeptPlaceProblem;
};

export type PolicyCheck = {
	readonly isPruning: boolean;
	/** True: parts of the file could not be read, so sums over it say nothing. */
	readonly isPartial: boolean;
};

/** Every problem; none = it may be applied. */
export function checkPolicy(file: PolicyFile, world: PolicyWorld, { isPruning, isPartial }: PolicyCheck): readonly PolicyProblem[] {
	const next = mergePolicy(world.current, file, { isPruning });
	const around: Around = { next, world, suggest: createSuggest() };
	const organization: Scope = { at: ["organization"], teamId: ORGANIZATION_ID, file: file.organization ?? {}, merged: next.organization.budgets };
	const teams = Object.entries(file.teams ?? {});
	return [
		...checkScope(organization, around),
		...Object.entries(file.channels ?? {}).flatMap(([name, channel]) =>
			checkSecretPlaces(channel, world.keptPlaceProblem).map(({ field, problem }) => ({ path: ["channels", name, field], problem })),
		),
		...teams.flatMap(([id, team]) => {
			const merged = entryOf(next.teams, id);
			if (world.endedTeams.has(id)) return [{ path: ["teams", id], problem: "was ended, and an id is never given twice: take another" }];
			return merged === undefined ? [] : checkTeam(id, { file: team, merged }, around);
		}),
		...checkModels(file, around),
		...(isPartial ? [] : checkOrganizationBound(file, next)),
	];
}

/** `suggest` is shared by everything that is checked at once. */
export type Around = { readonly next: Policy; readonly world: PolicyWorld; readonly suggest: Suggest };

type Scope = {
	readonly at: PolicyPath;
	readonly teamId: string;
	readonly file: { readonly approvers?: readonly string[]; readonly alerts?: readonly AlertRoute[]; readonly budgets?: readonly BudgetFile[] };
	readonly merged: readonly BudgetDefinition[];
};

/** What the organisation and a team have in common. */
function checkScope({ at, teamId, file, merged }: Scope, { next, world, suggest }: Around): PolicyProblem[] {
	const known = Object.keys(next.channels);
	return [
		...(file.approvers ?? []).flatMap((name, index) =>
			world.adminNames.has(name)
				? []
				: [{ path: [...at, "approvers", index], problem: `nobody has an admin key named ${JSON.stringify(name)}${suggest(name, world.adminNames)}` }],
		),
		...(file.alerts ?? []).flatMap(({ channel }, index) =>
			Object.hasOwn(next.channels, channel)
				? []
				: [{ path: [...at, "alerts", index, "channel"], problem: `there is no channel ${JSON.stringify(channel)}${suggest(channel, known)}` }],
		),
		...(file.budgets ?? []).flatMap((budget, index) => checkMergedBudget([...at, "budgets", index], teamId, [budget, merged])),
		...checkBudgetCounts(at, teamId, { isChanged: file.budgets !== undefined, merged }),
	];
}

/** What the file says of a budget may not fit what it leaves as it is: a stop at an amount above a lowered limit. */
function checkMergedBudget(path: PolicyPath, teamId: string, [file, merged]: readonly [BudgetFile, readonly BudgetDefinition[]]): PolicyProblem[] {
	if (file.thresholds !== undefined) return [];
	const budget = merged.find((candidate) => selectorKey(candidate) === selectorKey(file));
	const checked = checkBudgetDefinition(budget, teamId);
	if (checked.kind === "valid") return [];
	return checked.problems.map(({ problem }) => ({
		path,
		problem: `does not fit the thresholds the budget has already: one ${problem}; give its thresholds too`,
	}));
}

function checkBudgetCounts(
	at: PolicyPath,
	teamId: string,
	{ isChanged, merged }: { isChanged: boolean; merged: readonly BudgetDefinition[] },
): PolicyProblem[] {
	if (!isChanged) return [];
	const path = [...at, "budgets"];
	const most = teamId === ORGANIZATION_ID ? MAX_WINDOWS_PER_CALL.organization : MAX_WINDOWS_PER_CALL.team;
	const windows = windowsPerCallMax(merged);
	return [
		...(merged.length > MAX_BUDGETS_PER_TEAM ? [{ path, problem: `would be ${merged.length} budgets; at most ${MAX_BUDGETS_PER_TEAM} are allowed` }] : []),
		...(windows > most ? [{ path, problem: `one call could meet ${windows} windows of these budgets; at most ${most} are allowed` }] : []),
	];
}

type TeamPair = { readonly file: TeamFile; readonly merged: TeamEntry };

function checkTeam(id: string, { file, merged }: TeamPair, around: Around): PolicyProblem[] {
	const at = ["teams", id];
	return [
		...checkNewTeam(id, merged, around),
		...checkScope({ at, teamId: id, file, merged: merged.budgets }, around),
		...checkRuleCounts(at, { file, merged }),
		...checkRuns(at, { file, merged }),
		...checkFeatures(at, { file, merged }, around),
		...checkKeys(id, file, around),
	];
}

/** A file makes the teams it names; one that could not spend and is named almost like another is a typo. */
function checkNewTeam(id: string, { isUnlimited, budgets }: TeamEntry, { world, suggest }: Around): PolicyProblem[] {
	if (isUnlimited || budgets.length > 0 || Object.hasOwn(world.current.teams, id)) return [];
	const meant = suggest(id, Object.keys(world.current.teams));
	return meant === "" ? [] : [{ path: ["teams", id], problem: `is a new team without a budget${meant} To add it, give it a budget, or unlimited: true` }];
}

function checkRuleCounts(at: PolicyPath, { file, merged }: TeamPair): PolicyProblem[] {
	return (["caps", "rates"] as const).flatMap((name) => {
		const count = merged.limits[name].length;
		return file.limits?.[name] === undefined || count <= MAX_LIMIT_RULES
			? []
			: [{ path: [...at, name], problem: `would be ${count} with those there are; at most ${MAX_LIMIT_RULES} are allowed` }];
	});
}

function checkRuns(at: PolicyPath, { file, merged }: TeamPair): PolicyProblem[] {
	if (file.runs === undefined) return [];
	return problemsOfMost(merged.runs).map(({ field, problem }) => {
		const [, part = "", ...rest] = field.split(".");
		return { path: [...at, "runs", ...(Object.hasOwn(file.runs ?? {}, part) ? [part] : [])], problem: `${rest.join(".")} ${problem}` };
	});
}

/** A limit on a feature that calls cannot name would hold nothing back. */
function checkFeatures(at: PolicyPath, { file, merged: { features } }: TeamPair, { suggest }: Around): PolicyProblem[] {
	if (features === null) return [];
	const named: { path: PolicyPath; feature: string | null | undefined }[] = [
		...(file.budgets ?? []).map((budget, index) => ({
			path: [...at, "budgets", index, "feature"],
			feature: budget.dimension === "feature" ? budget.dimensionValue : undefined,
		})),
		...(file.limits?.caps ?? []).map(({ feature }, index) => ({ path: [...at, "caps", index, "feature"], feature })),
		...(file.limits?.rates ?? []).map(({ dimension, dimensionValue }, index) => ({
			path: [...at, "rates", index, "feature"],
			feature: dimension === "feature" && dimensionValue !== "*" ? dimensionValue : undefined,
		})),
		...Object.entries(file.keys ?? {}).map(([keyId, { feature }]) => ({ path: [...at, "keys", keyId, "feature"], feature })),
	];
	return named.flatMap(({ path, feature }) =>
		typeof feature !== "string" || features.includes(feature)
			? []
			: [{ path, problem: `${JSON.stringify(feature)} is none of the team's features${suggest(feature, features)}` }],
	);
}

/** Keys are made by `tollgate key create`; a policy says what they stand for. */
function checkKeys(teamId: string, file: TeamFile, { world }: Around): PolicyProblem[] {
	const at = ["teams", teamId];
	const named: { path: PolicyPath; keyId: string }[] = [
		...Object.keys(file.keys ?? {}).map((keyId) => ({ path: [...at, "keys", keyId], keyId })),
		...(file.budgets ?? []).flatMap(({ dimension, dimensionValue }, index) =>
			dimension === "key" ? [{ path: [...at, "budgets", index, "key"], keyId: dimensionValue }] : [],
		),
		...(file.limits?.rates ?? []).flatMap(({ dimension, dimensionValue }, index) =>
			dimension === "key" && dimensionValue !== "*" ? [{ path: [...at, "rates", index, "key"], keyId: dimensionValue }] : [],
		),
	];
	return named.flatMap(({ path, keyId }) => {
		const owner = world.teamOfKey.get(keyId);
		if (owner === teamId) return [];
		const problem = owner === undefined ? `there is no key ${JSON.stringify(keyId)} that works` : `key ${keyId} belongs to team ${owner}`;
		return [{ path, problem }];
	});
}
