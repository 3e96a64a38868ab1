import { ORGANIZATION_ID, TEAM_ID_PATTERN } from "#domain/budget/scope.ts";
import { checkPolicy, type PolicyWorld } from "#domain/policy/check-policy.ts";
import type { ModelDeployment, OrganizationFile, PolicyFile, TeamFile } from "#domain/policy/policy.ts";
import { MODEL_ID_PATTERN, POLICY_VERSION, WRITTEN_FIELDS } from "#domain/policy/written-form.ts";
import { Cursor, Reading, withoutUndefined } from "./cursor.ts";
import { readYaml } from "./located-yaml.ts";
import { type BudgetDefaults, readBudgets } from "./read-budget.ts";
import { readChannels, readRoutes } from "./read-channel.ts";
import { readApprovers, readTeam } from "./read-team.ts";
import { orNone, readModelId, readMonth, readTimeZone, readUsd, readWeekday } from "./read-values.ts";

/** `path` is that of the written form; "" is the file as a whole. Lines and columns count from 1. */
export type PolicyMistake = { readonly file: string; readonly line: number; readonly column: number; readonly path: string; readonly problem: string };

export type ReadPolicy =
	| { readonly kind: "read"; readonly file: PolicyFile }
	/** Every mistake, in the order of the file; at least one. */
	| { readonly kind: "refused"; readonly mistakes: readonly PolicyMistake[] };

export type ReadPolicyOptions = {
	/** How mistakes name the file. */
	readonly fileName: string;
	/** Absent: the file is checked for what it says by itself, as an editor could. */
	readonly world?: PolicyWorld;
	/** The file is to become the whole policy; default false. */
	readonly isPruning?: boolean;
};

const MAX_ALIASES = 1_000;
const MAX_DEPLOYMENTS = 64;

/** Reads a policy as people write it (docs/policy.md), of at most 16 MiB. Never throws: what is wrong is listed. */
export function readPolicyFile(text: string, { fileName, world, isPruning = false }: ReadPolicyOptions): ReadPolicy {
	const { root, mistakes: unreadable } = readYaml(text);
	const reading = new Reading();
	const file = root === undefined ? undefined : readPolicy(new Cursor(reading, [], root));
	if (file !== undefined && world !== undefined) {
		const isPartial = unreadable.length > 0 || reading.mistakes.length > 0;
		for (const { path, problem } of checkPolicy(file, world, { isPruning, isPartial })) reading.failAt(path, problem);
	}
	const mistakes = [...unreadable, ...reading.mistakes];
	if (mistakes.length === 0 && file !== undefined) return { kind: "read", file };
	return {
		kind: "refused",
		mistakes: mistakes
			.map(({ place, path, problem }) => ({ file: fileName, line: place.line, column: place.column, path, problem }))
			.sort((left, right) => left.line - right.line || left.column - right.column),
	};
}

/** "policy.yaml:12:5 teams.search.budgets[0].window: must be one of …": for people, one a line. */
export function renderMistakes(mistakes: readonly PolicyMistake[]): string {
	return mistakes.map(({ file, line, column, path, problem }) => `${file}:${line}:${column} ${path === "" ? "" : `${path}: `}${problem}`).join("\n");
}

function readPolicy(cursor: Cursor): PolicyFile | undefined {
	const fields = cursor.fields(WRITTEN_FIELDS.policy);
	if (fields === undefined) return undefined;
	if (fields.version === undefined) cursor.failMissing("version", `is missing: write version: ${POLICY_VERSION} first`);
	else if (fields.version.written() !== String(POLICY_VERSION)) fields.version.fail(`must be ${POLICY_VERSION}, the one form there is`);
	const { defaults, organization } = fields.organization === undefined ? NOTHING_SAID : readOrganization(fields.organization);
	return withoutUndefined({
		organization,
		channels: fields.channels && readChannels(fields.channels),
		models: fields.models && readModels(fields.models),
		teams: fields.teams && readTeams(fields.teams, defaults),
	});
}

type ReadOrganization = { readonly defaults: BudgetDefaults; readonly organization: OrganizationFile | undefined };
const NOTHING_SAID: ReadOrganization = { defaults: {}, organization: undefined };

function readOrganization(cursor: Cursor): ReadOrganization {
	const fields = cursor.fields(WRITTEN_FIELDS.organization);
	if (fields === undefined) return NOTHING_SAID;
	const defaults = withoutUndefined({
		timeZone: fields.timeZone && readTimeZone(fields.timeZone),
		weekStart: fields.weekStart && readWeekday(fields.weekStart),
		fiscalYearStart: fields.fiscalYearStart && readMonth(fields.fiscalYearStart),
	});
	const organization = withoutUndefined({
		isOvercommitted: fields.overcommit?.flag(),
		approvers: fields.approvers && readApprovers(fields.approvers),
		increaseCeilingNanoUsd: fields.increaseCeilingUsd && orNone(fields.increaseCeilingUsd, readUsd),
		budgets: fields.budgets && readBudgets(fields.budgets, ORGANIZATION_ID, defaults),
		alerts: fields.alerts && readRoutes(fields.alerts),
	});
	return { defaults, organization };
}

function readModels(cursor: Cursor): Readonly<Record<string, readonly ModelDeployment[]>> | undefined {
	const entries = cursor.entries();
	if (entries === undefined) return undefined;
	if (entries.length > MAX_ALIASES) cursor.fail(`has ${entries.length} aliases; at most ${MAX_ALIASES} are allowed`);
	return Object.fromEntries(
		entries.slice(0, MAX_ALIASES).map(([alias, deployments, place]) => {
			if (!MODEL_ID_PATTERN.test(alias))
				deployments.reading.fail(deployments.path, place, "is no model name: at most 256 printable ASCII characters without blanks");
			return [alias, readDeployments(deployments, alias) ?? []];
		}),
	);
}

function readDeployments(cursor: Cursor, alias: string): readonly ModelDeployment[] | undefined {
	const deployments = cursor.list(MAX_DEPLOYMENTS, (item) => {
		const fields = item.fields(WRITTEN_FIELDS.deployment);
		if (fields === undefined) return undefined;
		const provider = fields.provider === undefined ? item.failMissing("provider", "is missing: the name of a provider") : readModelId(fields.provider);
		const model = fields.model === undefined ? alias : readModelId(fields.model);
		const pricedAsModel = fields.pricedAsModel === undefined ? model : readModelId(fields.pricedAsModel);
		return provider === undefined || model === undefined || pricedAsModel === undefined ? undefined : { provider, model, pricedAsModel };
	});
	if (deployments?.length === 0) cursor.fail("is served nowhere: give at least one deployment");
	return deployments;
}

function readTeams(cursor: Cursor, defaults: BudgetDefaults): Readonly<Record<string, TeamFile>> | undefined {
	const entries = cursor.entries();
	return (
		entries &&
		Object.fromEntries(
			entries.map(([id, team, place]) => {
				if (!TEAM_ID_PATTERN.test(id))
					team.reading.fail(team.path, place, "is no name of a team: lower-case letters, digits, dot, _ and -, at most 63, beginning with a letter or digit");
				return [id, readTeam(team, id, defaults) ?? {}];
			}),
		)
	);
}
