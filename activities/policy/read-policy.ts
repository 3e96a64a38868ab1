import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { CurrentPolicy, PolicyRevision, StoredPolicy } from "./port.ts";

const CURRENT = `SELECT current->>'basis' AS basis, (current->'policy')::text AS "policyJson" FROM tollgate.current_policy() AS current`;

/** What holds now, however it came about: people also change budgets, teams and keys one by one. One snapshot. */
export async function readCurrentPolicy(database: Queryable): Promise<CurrentPolicy> {
	const [current] = (await database.query<CurrentPolicy>(CURRENT)).rows;
	if (!current) throw new Error("tollgate.current_policy returned no row");
	return current;
}

const REVISION = `p.revision::text, p.parent::text, to_char(p.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, admin_name AS "adminName", jsonb_array_length(changes) AS "changeCount"`;
const HISTORY = `SELECT ${REVISION} FROM tollgate.policy_revision p WHERE $1::bigint IS NULL OR p.revision < $1 ORDER BY p.revision DESC LIMIT $2`;

/** Applied policies, the newest first; `beforeRevision` continues below the last one of the page before. */
export async function listPolicyRevisions(
	database: Queryable,
	page: { readonly beforeRevision?: string | undefined; readonly limit: number },
): Promise<PolicyRevision[]> {
	return (await database.query<PolicyRevision>(HISTORY, [page.beforeRevision ?? null, page.limit])).rows;
}

const STORED = `SELECT ${REVISION}, source, policy::text AS "policyJson", changes::text AS "changesJson" FROM tollgate.policy_revision p WHERE p.revision = $1`;

/** @throws CostControlError "admin.not_found". */
export async function readPolicyRevision(database: Queryable, revision: string): Promise<StoredPolicy> {
	const stored = /^\d{1,18}$/.test(revision) ? (await database.query<StoredPolicy>(STORED, [revision])).rows[0] : undefined;
	if (!stored) throw new CostControlError("admin.not_found", `No policy was applied as revision ${revision}. Those that were: npx tollgate policy history`);
	return stored;
}
