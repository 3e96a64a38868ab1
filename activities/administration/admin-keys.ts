import { hashSecret, newAdminKey } from "#activities/keys/derive.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { type AdminGrant, checkAdminGrant } from "#domain/access/admin-role.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { readTeam } from "./read-teams.ts";

/** Admin keys are per person: the name stands beside every change made with one. */
export type AdminKey = AdminGrant & {
	readonly id: string;
	readonly name: string;
	readonly createdAt: string;
	readonly createdBy: string;
	readonly revokedAt: string | null;
};

export type KnownAdmin = AdminGrant & { readonly id: string; readonly name: string };

const AUTHENTICATE = 'SELECT id, name, role, team_ids AS "teamIds" FROM tollgate.admin_key WHERE secret_hash = $1 AND revoked_at IS NULL';

/** Who holds this secret; undefined when it is unknown or revoked. Looked up by hash, so no comparison leaks its length or prefix. */
export async function authenticateAdmin(database: Queryable, secret: string): Promise<KnownAdmin | undefined> {
	return (await database.query<KnownAdmin>(AUTHENTICATE, [hashSecret(secret)])).rows[0];
}

const CREATE = `
	WITH created AS (
		INSERT INTO tollgate.admin_key (id, name, secret_hash, created_by, role, team_ids) VALUES ($1, $2, $3::bytea, $4, $5, $6::text[]) RETURNING id
	)
	SELECT tollgate.record_change('admin_key', id, $4, jsonb_build_object('action', 'created', 'name', $2::text, 'role', $5::text, 'teamIds', $6::text[])) AS revision FROM created`;

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,62}$/u;

/** `role` and `teamIds` as domain/access/admin-role.ts checks them; default: an operator, who may do everything. */
export type AdminRequest = { readonly name: string; readonly role?: string | undefined; readonly teamIds?: readonly string[] | null | undefined };

/** @returns the secret once. @throws CostControlError "admin.invalid" for a name nobody could read in a log, "admin.not_found" for a team. */
export async function createAdminKey(database: Queryable, request: AdminRequest, adminName: string): Promise<{ readonly id: string; readonly key: string }> {
	const { name } = request;
	requireAdminName(name);
	const { role, teamIds } = await grantOf(database, request);
	const { id, secret } = newAdminKey();
	await database.query(CREATE, [id, name, hashSecret(secret), adminName, role, teamIds]);
	return { id, key: secret };
}

/** @throws CostControlError "admin.invalid". */
export function requireAdminName(name: string): void {
	if (NAME.test(name)) return;
	throw new CostControlError("admin.invalid", "name: 1 to 63 letters, digits, spaces and . _ @ -, beginning with a letter or digit", {
		details: { field: "name" },
	});
}

/** Rights that were asked for, of teams there are. @throws CostControlError "admin.invalid" naming the field, "admin.not_found". */
export async function grantOf(database: Queryable, asked: Pick<AdminRequest, "role" | "teamIds">): Promise<AdminGrant> {
	const checked = checkAdminGrant(asked);
	if (checked.kind === "invalid") {
		const { field, problem } = checked.problem;
		throw new CostControlError("admin.invalid", `${field}: ${problem}`, { details: { field } });
	}
	for (const teamId of checked.value.teamIds ?? []) await readTeam(database, teamId);
	return checked.value;
}

// Operators are locked, so that two of them cannot revoke each other at once.
const REVOKE = `
	WITH operators AS MATERIALIZED (
		SELECT id FROM tollgate.admin_key WHERE role = 'operator' AND revoked_at IS NULL ORDER BY id FOR UPDATE
	), revoked AS (
		UPDATE tollgate.admin_key SET revoked_at = coalesce(revoked_at, clock_timestamp())
		WHERE id = $1 AND (revoked_at IS NOT NULL OR role <> 'operator'
			OR EXISTS (SELECT 1 FROM operators o WHERE o.id <> $1))
		RETURNING id
	)
	SELECT tollgate.record_change('admin_key', id, $2, '{"action": "revoked"}') AS revision FROM revoked`;
const EXISTS = "SELECT 1 FROM tollgate.admin_key WHERE id = $1";

/** @throws CostControlError "admin.not_found", "admin.conflict" for the last one of an operator: nobody could administer any more. */
export async function revokeAdminKey(database: Queryable, id: string, adminName: string): Promise<void> {
	if ((await database.query(REVOKE, [id, adminName])).rows.length > 0) return;
	const isKnown = (await database.query(EXISTS, [id])).rows.length > 0;
	throw isKnown
		? new CostControlError("admin.conflict", "This is the last admin key of an operator. Create another one first: npx tollgate admin-key create NAME")
		: new CostControlError("admin.not_found", `There is no admin key ${id}.`);
}

const LIST =
	'SELECT id, name, created_at AS "createdAt", created_by AS "createdBy", revoked_at AS "revokedAt", role, team_ids AS "teamIds" FROM tollgate.admin_key ORDER BY created_at, id';

export async function listAdminKeys(database: Queryable): Promise<AdminKey[]> {
	const { rows } = await database.query<Omit<AdminKey, "createdAt" | "revokedAt"> & { createdAt: Date; revokedAt: Date | null }>(LIST);
	return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString(), revokedAt: row.revokedAt?.toISOString() ?? null }));
}
