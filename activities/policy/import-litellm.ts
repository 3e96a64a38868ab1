import type { AlertChannel, AlertRoute } from "#domain/alerts/channel.ts";
import { isTimeZone } from "#domain/budget/window.ts";
import type { BudgetFile, ModelDeployment, PolicyFile } from "#domain/policy/policy.ts";
import { Cursor, Reading, withoutUndefined } from "./cursor.ts";
import { readAlerting, readAlertWebhooks } from "./litellm/alerting.ts";
import { type Models, readGroupAliases, readModelList } from "./litellm/models.ts";
import { noteRest, noteUncarried } from "./litellm/notes.ts";
import { readTeams, type Teams } from "./litellm/teams.ts";
import { budgetOf, fieldsOf, readDollars, readWindow } from "./litellm/values.ts";
import { readYaml } from "./located-yaml.ts";

/** One field that is not in the policy, or is there otherwise, with its line and why; or something left to do by hand. */
export type ImportNote = { readonly line: number; readonly path: string; readonly problem: string };

export type ImportedPolicy = { readonly policy: PolicyFile; readonly notes: readonly ImportNote[] };

/**
 * An equivalent policy of a LiteLLM proxy's `config.yaml` (at most 16 MiB): models, the proxy's budget, teams with budgets,
 * rates and fallbacks, alert channels. Whatever has no equivalent is a note; nothing is dropped without one, and no secret
 * appears in either. Never throws.
 */
export function importLitellm(text: string): ImportedPolicy {
	const { root, mistakes } = readYaml(text);
	const reading = new Reading();
	const policy = root === undefined ? {} : readConfig(new Cursor(reading, [], root));
	const notes = [...mistakes, ...reading.mistakes].map(({ place, path, problem }) => ({ line: place.line, path, problem }));
	return { policy, notes: notes.sort((left, right) => left.line - right.line) };
}

type Imported = {
	readonly models: Models;
	readonly teams: Teams;
	readonly channels: Map<string, AlertChannel>;
	readonly routes: AlertRoute[];
};

function readConfig(config: Cursor): PolicyFile {
	const imported: Imported = { models: new Map(), teams: new Map(), channels: new Map(), routes: [] };
	const sections = fieldsOf(config);
	const section = (name: string): ReadonlyMap<string, Cursor> => {
		const cursor = sections.get(name);
		return cursor === undefined || cursor.isNothing() ? new Map() : fieldsOf(cursor);
	};
	const [settings, general, router] = [section("litellm_settings"), section("general_settings"), section("router_settings")];
	const list = sections.get("model_list");
	if (list !== undefined && !list.isNothing()) for (const [alias, deployments] of readModelList(list)) imported.models.set(alias, deployments);
	const aliases = router.get("model_group_alias");
	if (aliases !== undefined) readGroupAliases(aliases, imported.models);
	for (const teams of [sections.get("teams"), settings.get("default_team_settings")])
		if (teams !== undefined && !teams.isNothing()) readTeams(teams, imported.teams);
	readAlerting(general.get("alerting"), imported);
	readAlertWebhooks(general.get("alert_to_webhook_url"), imported);
	const budget = readProxyBudget(settings);
	const second = general.get("max_budget");
	if (budget !== undefined) second?.fail("stands in litellm_settings too, which is what is carried over");
	const budgetOfGeneral = budget === undefined ? readProxyBudget(general) : undefined;
	noteRest(settings, ["timezone", "default_team_settings", ...budgetFields(settings)]);
	noteRest(general, ["alerting", "alert_to_webhook_url", ...budgetFields(general)]);
	noteRest(router, ["model_group_alias"]);
	for (const [name, value] of sections) if (!SECTIONS.has(name)) noteUncarried(name, value);
	return assemble(imported, { budget: budget ?? budgetOfGeneral, timeZone: readTimeZone(settings.get("timezone")) });
}

const SECTIONS: ReadonlySet<string> = new Set(["model_list", "litellm_settings", "general_settings", "router_settings", "teams"]);

/** A duration alone is noted like everything that is not carried over. */
function budgetFields(fields: ReadonlyMap<string, Cursor>): readonly string[] {
	return fields.has("max_budget") ? ["max_budget", "budget_duration"] : [];
}

/** The proxy's budget is one that teams share: it does not bound the sum of theirs. */
function readProxyBudget(fields: ReadonlyMap<string, Cursor>): BudgetFile | undefined {
	const limit = fields.get("max_budget");
	if (limit === undefined || limit.isNothing()) return undefined;
	const amount = readDollars(limit);
	const windowKind = readWindow(fields.get("budget_duration"));
	if (amount === undefined || windowKind === undefined) return undefined;
	return budgetOf({ dimension: "organization", dimensionValue: "", windowKind }, amount);
}

function readTimeZone(cursor: Cursor | undefined): string | undefined {
	const name = cursor?.written();
	if (cursor === undefined || name === undefined) return undefined;
	return isTimeZone(name) ? name : cursor.fail("is no IANA time zone; budgets turn over in UTC");
}

function assemble(
	{ models, teams, channels, routes }: Imported,
	{ budget, timeZone }: { budget: BudgetFile | undefined; timeZone: string | undefined },
): PolicyFile {
	const inZone = (file: BudgetFile): BudgetFile => ({ ...file, ...(timeZone !== undefined && { timeZone }) });
	const organization = withoutUndefined({
		isOvercommitted: budget === undefined ? undefined : true,
		budgets: budget === undefined ? undefined : [inZone(budget)],
		alerts: routes.length === 0 ? undefined : routes,
	});
	return withoutUndefined({
		organization: Object.keys(organization).length === 0 ? undefined : organization,
		channels: channels.size === 0 ? undefined : Object.fromEntries(channels),
		models: models.size === 0 ? undefined : (Object.fromEntries(models) as Readonly<Record<string, readonly ModelDeployment[]>>),
		teams:
			teams.size === 0
				? undefined
				: Object.fromEntries([...teams].map(([id, team]) => [id, team.budgets === undefined ? team : { ...team, budgets: team.budgets.map(inZone) }])),
	});
}
