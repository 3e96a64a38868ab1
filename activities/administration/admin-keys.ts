import { hashSecret, newAdminKey } from "#activities/keys/derive.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** Admin keys are per person: the name stands beside every change made with one. */
export type AdminKey = {
	readonly id: string;
	readonly name: string;
	readonly createdAt: string;
	readonly createdBy: string;
	readonly revokedAt: string | null;
};

const AUTHENTICATE = "SELECT id, name FROM tollgate.admin_key WHERE secret_hash = $1 AND revoked_at IS NULL";

/** Who holds this secret; undefined when it is unknown or revoked. Looked up by hash, so no comparison leaks its length or prefix. */
export async function authenticateAdmin(database: Queryable, secret: string): Promise<{ readonly id: string; readonly name: string } | undefined> {
	return (await database.query<{ id: string; name: string }>(AUTHENTICATE, [hashSecret(secret)])).rows[0];
}

const CREATE = `
	WITH created AS (
		INSERT INTO tollgate.admin_key (id, name, secret_hash, created_by) VALUES ($1, $2, $3::bytea, $4) RETURNING id
	)
	SELECT tollgate.record_change('admin_key', id, $4, jsonb_build_object('action', 'created', 'name', $2::text)) AS revision FROM created`;

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,62}$/u;

/** @returns the secret once. @throws CostControlError "admin.invalid" for a name nobody could read in a log. */
export async function createAdminKey(database: Queryable, name: string, adminName: string): Promise<{ readonly id: string; readonly key: string }> {
	if (!NAME.test(name))
		throw new CostControlError("admin.invalid", "name: 1 to 63 letters, digits, spaces and . _ @ -, beginning with a letter or digit", {
			details: { field: "name" },
		});
	const { id, secret } = newAdminKey();
	await database.query(CREATE, [id, name, hashSecret(secret), adminName]);
	return { id, key: secret };
}

const REVOKE = `
	WITH revoked AS (
		UPDATE tollgate.admin_key SET revoked_at = coalesce(revoked_at, clock_timestamp())
		WHERE id = $1 AND (revoked_at IS NOT NULL OR EXISTS (SELECT 1 FROM tollgate.admin_key o WHERE o.id <> $1 AND o.revoked_at IS NULL))
		RETURNING id
	)
	SELECT tollgate.record_change('admin_key', id, $2, '{"action": "revoked"}') AS revision FROM revoked`;
const EXISTS = "SELECT 1 FROM tollgate.admin_key WHERE id = $1";

/** @throws CostControlError "admin.not_found", "admin.conflict" for the last one: nobody could administer any more. */
export async function revokeAdminKey(database: Queryable, id: string, adminName: string): Promise<void> {
	if ((await database.query(REVOKE, [id, adminName])).rows.length > 0) return;
	const isKnown = (await database.query(EXISTS, [id])).rows.length > 0;
	throw isKnown
		? new CostControlError("admin.conflict", "This is the last admin key. Create another one first: npx tollgate admin-key create NAME")
		: new CostControlError("admin.not_found", `There is no admin key ${id}.`);
}

const LIST = 'SELECT id, name, created_at AS "createdAt", created_by AS "createdBy", revoked_at AS "revokedAt" FROM tollgate.admin_key ORDER BY created_at, id';

export async function listAdminKeys(database: Queryable): Promise<AdminKey[]> {
	const { rows } = await database.query<Omit<AdminKey, "createdAt" | "revokedAt"> & { createdAt: Date; revokedAt: Date | null }>(LIST);
	return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString(), revokedAt: row.revokedAt?.toISOString() ?? null }));
}
