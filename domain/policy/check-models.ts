import { checkRunLimits } from "../agents/run-limits.ts";
import type { BudgetThreshold } from "../budget/scope.ts";
import type { Protocol } from "../pricing/price-book.ts";
import type { Around } from "./check-policy.ts";
import { findCircles, renderCircle } from "./circles.ts";
import type { BudgetFile, ModelDeployment, Policy, PolicyFile, TeamFile, TeamRunsFile } from "./policy.ts";
import { entryOf, type PolicyPath, type PolicyProblem } from "./policy-path.ts";

/**
 * Aliases: that each leads to a deployment of a known provider, that none is a name for another in a circle, that a call
 * degraded is served over the protocol it came in, and that it comes to rest.
 */
export function checkModels(file: PolicyFile, around: Around): readonly PolicyProblem[] {
	const { next } = around;
	const shared = servedBy(next.organization.budgets.flatMap(({ thresholds }) => thresholds.flatMap(degradedModels)));
	const scopes: readonly Scope[] = [
		{ at: ["organization"], budgets: file.organization?.budgets ?? [], shared: new Map() },
		...Object.entries(file.teams ?? {}).map(([id, team]) => ({ at: ["teams", id], budgets: team.budgets ?? [], runs: team.runs, shared })),
	];
	return [
		...Object.entries(file.models ?? {}).flatMap(([alias, deployments]) => checkAlias(alias, deployments, around)),
		...checkAliasCircles(file, next),
		...scopes.flatMap((scope) => [...checkTargets(scope, around), ...checkDegradeCircles(scope)]),
		...Object.entries(file.teams ?? {}).flatMap(([id, team]) => checkNamedModels(["teams", id], team, around)),
	];
}

/** Models served instead, by the model asked for. */
type Served = ReadonlyMap<string, readonly string[]>;
type Scope = { readonly at: PolicyPath; readonly budgets: readonly BudgetFile[]; readonly runs?: TeamRunsFile | undefined; readonly shared: Served };

function checkAlias(alias: string, deployments: readonly ModelDeployment[], { world }: Around): PolicyProblem[] {
	const path = ["models", alias];
	const places = deployments.map(({ provider, model }) => `${provider}/${model}`);
	return deployments.flatMap(({ provider }, index) => {
		if (world.protocolOfProvider(provider) === undefined) {
			return [{ path: [...path, index, "provider"], problem: `there is no provider ${JSON.stringify(provider)}: TOLLGATE_PROVIDERS_FILE names them` }];
		}
		const first = places.indexOf(places[index] ?? "");
		return first < index ? [{ path: [...path, index], problem: `is the same deployment as number ${first + 1}` }] : [];
	});
}

/** `a: b` beside `b: a`: whoever reads one of them is misled. An alias with the model's own name is no circle. */
function checkAliasCircles(file: PolicyFile, next: Policy): PolicyProblem[] {
	const named = file.models ?? {};
	const leadsTo = (alias: string): readonly string[] =>
		(entryOf(next.models, alias) ?? []).flatMap(({ model }) => (model !== alias && Object.hasOwn(next.models, model) ? [model] : []));
	return findCircles(Object.keys(named), leadsTo).flatMap((circle) => {
		const alias = circle.find((name) => Object.hasOwn(named, name));
		return alias === undefined ? [] : [{ path: ["models", alias], problem: `is another name for itself: ${renderCircle(circle)}` }];
	});
}

function checkTargets(scope: Scope, around: Around): PolicyProblem[] {
	return degradations(scope).flatMap(({ path, asked, served }) => {
		const unknown = [asked, served].filter((alias) => !isServed(alias, around));
		if (unknown.length > 0) return unknown.map((alias) => ({ path, problem: unknownModel(alias, around) }));
		const [from, to] = [protocolsOf(asked, around), protocolsOf(served, around)];
		// A provider nobody knows is complained of where the alias is declared.
		if (to.length === 0 || from.every((protocol) => to.includes(protocol))) return [];
		return [{ path, problem: `${asked} speaks the ${from.join(" and ")} protocol and ${served} the ${to.join(" and ")} one; nothing is translated` }];
	});
}

/** The lines of one budget are checked where it is read; calls meet those of all budgets of the team and of the organisation. */
function checkDegradeCircles(scope: Scope): PolicyProblem[] {
	const { shared } = scope;
	const own = degradations(scope);
	const served = servedBy(own.map((edge): [string, string] => [edge.asked, edge.served]));
	const circles = findCircles(served.keys(), (alias) => [...(served.get(alias) ?? []), ...(shared.get(alias) ?? [])]);
	return circles.flatMap((circle) => {
		const edge = own.find((candidate) => circle.some((name, index) => name === candidate.asked && circle[index + 1] === candidate.served));
		return edge === undefined ? [] : [{ path: edge.path, problem: `degrades in a circle: ${renderCircle(circle)}` }];
	});
}

function servedBy(edges: readonly (readonly [string, string])[]): Served {
	const served = new Map<string, string[]>();
	for (const [asked, target] of edges) {
		const targets = served.get(asked);
		if (targets === undefined) served.set(asked, [target]);
		else targets.push(target);
	}
	return served;
}

function checkNamedModels(at: PolicyPath, team: TeamFile, around: Around): PolicyProblem[] {
	const named: { path: PolicyPath; alias: string }[] = [
		...Object.entries(team.keys ?? {}).flatMap(([keyId, { models }]) =>
			(models ?? []).map((alias, index) => ({ path: [...at, "keys", keyId, "models", index], alias })),
		),
		...(team.budgets ?? []).flatMap(({ dimension, dimensionValue }, index) =>
			dimension === "model" ? [{ path: [...at, "budgets", index, "model"], alias: dimensionValue }] : [],
		),
		...(team.limits?.rates ?? []).flatMap(({ dimension, dimensionValue }, index) =>
			dimension === "model" && dimensionValue !== "*" ? [{ path: [...at, "rates", index, "model"], alias: dimensionValue }] : [],
		),
	];
	return named.flatMap(({ path, alias }) => (isServed(alias, around) ? [] : [{ path, problem: unknownModel(alias, around) }]));
}

type Degradation = { readonly path: PolicyPath; readonly asked: string; readonly served: string };

function degradations({ at, budgets, runs }: Scope): readonly Degradation[] {
	return [
		...budgets.flatMap(({ thresholds }, budget) =>
			(thresholds ?? []).flatMap((threshold, index) =>
				degradedModels(threshold).map(([asked, served]) => ({ path: [...at, "budgets", budget, "thresholds", index, "to", asked], asked, served })),
			),
		),
		...degradationsOfRuns([...at, "runs", "limits"], runs),
	];
}

function degradationsOfRuns(path: PolicyPath, runs: TeamRunsFile | undefined): readonly Degradation[] {
	const ceilings = checkRunLimits(runs?.limits ?? {});
	if (ceilings.kind === "invalid") return [];
	return ceilings.value.flatMap(({ soft }) =>
		soft?.action === "degrade" ? Object.entries(soft.degradeTo).map(([asked, served]) => ({ path, asked, served })) : [],
	);
}

function degradedModels(threshold: BudgetThreshold): [string, string][] {
	return threshold.action === "degrade" ? Object.entries(threshold.degradeTo) : [];
}

function isServed(alias: string, { next, world }: Around): boolean {
	return Object.hasOwn(next.models, alias) || world.protocolOfModel(alias) !== undefined;
}

function protocolsOf(alias: string, { next, world }: Around): readonly Protocol[] {
	const deployments = entryOf(next.models, alias);
	const protocols = deployments?.map(({ provider }) => world.protocolOfProvider(provider)) ?? [world.protocolOfModel(alias)];
	return [...new Set(protocols.filter((protocol) => protocol !== undefined))];
}

function unknownModel(alias: string, { next, suggest }: Around): string {
	return `no model ${JSON.stringify(alias)} is served${suggest(alias, Object.keys(next.models))}`;
}
