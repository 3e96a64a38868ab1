import type { Queryable } from "#activities/keys/port.ts";
import type { ModelDeployment, Policy } from "#domain/policy/policy.ts";

const MODEL_ALIASES = "SELECT alias, deployments FROM tollgate.model_alias ORDER BY alias";

/** Aliases that the policy declares: they go over those of a gateway's providers file. */
export async function readModelAliases(database: Queryable): Promise<Policy["models"]> {
	const { rows } = await database.query<{ alias: string; deployments: readonly ModelDeployment[] }>(MODEL_ALIASES);
	return Object.fromEntries(rows.map(({ alias, deployments }) => [alias, deployments]));
}
