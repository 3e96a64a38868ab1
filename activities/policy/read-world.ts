import type { Queryable } from "#activities/keys/port.ts";
import type { ProviderOutline } from "#config/providers.ts";
import type { PriceBook, Protocol } from "#domain/pricing/price-book.ts";
import type { PolicyFacts } from "./policy-work.ts";

const ADMIN_NAMES = "SELECT DISTINCT name FROM tollgate.admin_key WHERE revoked_at IS NULL";
const ENDED_TEAMS = "SELECT id FROM tollgate.team WHERE deleted_at IS NOT NULL";
const TEAM_OF_KEY = `
	SELECT id, team_id AS "teamId" FROM tollgate.virtual_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())`;

/** What a file of policy is held against: people, teams and keys as PostgreSQL has them, providers as this process's settings do. */
export async function readPolicyFacts(database: Queryable, known: { readonly providers: ProviderOutline; readonly book: PriceBook }): Promise<PolicyFacts> {
	const [names, ended, keys] = await Promise.all([
		database.query<{ name: string }>(ADMIN_NAMES),
		database.query<{ id: string }>(ENDED_TEAMS),
		database.query<{ id: string; teamId: string }>(TEAM_OF_KEY),
	]);
	return {
		adminNames: new Set(names.rows.map(({ name }) => name)),
		endedTeams: new Set(ended.rows.map(({ id }) => id)),
		teamOfKey: new Map(keys.rows.map(({ id, teamId }) => [id, teamId])),
		protocolOfProvider: new Map(known.providers.providers.map(({ name, protocol }) => [name, protocol])),
		protocolOfModel: protocolOfModels(known.providers, known.book),
	};
}

/** As the gateways' catalog has it (activities/providers/deployments.ts): an alias table says everything, without one the price book does. */
function protocolOfModels({ providers, aliases }: ProviderOutline, book: PriceBook): ReadonlyMap<string, Protocol> {
	const served = new Map<string, Protocol>();
	const serve = (alias: string, protocol: Protocol): void => void (served.has(alias) || served.set(alias, protocol));
	if (aliases !== undefined) {
		const protocols = new Map(providers.map(({ name, protocol }) => [name, protocol]));
		for (const [alias, targets] of Object.entries(aliases)) {
			const protocol = protocols.get(targets[0]?.provider ?? "");
			if (protocol !== undefined) serve(alias, protocol);
		}
		return served;
	}
	for (const line of book.lines) {
		if (!providers.some(({ pricedAs, protocol }) => pricedAs === line.provider && protocol === line.protocol)) continue;
		for (const model of [line.model, ...line.aliases]) serve(model, line.protocol);
	}
	return served;
}
