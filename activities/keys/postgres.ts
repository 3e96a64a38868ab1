import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { derivePublicKey, hashSecret, newVirtualKey } from "./derive.ts";
import type { CreatedKey, Queryable, VirtualKey, VirtualKeyRequest } from "./port.ts";

/** Keys in PostgreSQL. Every change is one statement that also records who made it. */

const CREATE = `
	WITH created AS (
		INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, feature, user_id, environment, models, endpoints, may_assert, max_asserted, created_by, expires_at, requires_run, resubmits_batches, relanes_batches)
		SELECT $1, $2::bytea, $3::bytea, t.id, $5, $6, $7, $8::text[], $9::text[], $10::text[], $11::integer, $12, clock_timestamp() + $13 * interval '1 millisecond', $14::boolean, $15::boolean, $16::boolean
		FROM tollgate.team t WHERE t.id = $4 AND t.deleted_at IS NULL
		RETURNING id, team_id
	)
	SELECT tollgate.record_change('key', id, $12, jsonb_build_object('action', 'created', 'teamId', team_id)) AS revision FROM created`;

/** @throws CostControlError "admin.not_found" when there is no such team. */
export async function createVirtualKey(database: Queryable, request: VirtualKeyRequest, adminName: string): Promise<CreatedKey> {
	const { id, secret } = newVirtualKey();
	const values = [
		id,
		hashSecret(secret),
		derivePublicKey(secret),
		request.teamId,
		request.feature ?? null,
		request.userId ?? null,
		request.environment ?? null,
		request.models ?? null,
		request.endpoints ?? null,
		request.mayAssert ?? [],
		request.maxAsserted ?? 10_000,
		adminName,
		request.expiresInMs ?? null,
		request.requiresRun ?? false,
		request.resubmitsBatches ?? false,
		request.relanesBatches ?? false,
	];
	const row = (await database.query<{ revision: string }>(CREATE, values)).rows[0];
	if (!row)
		throw new CostControlError(
			"admin.not_found",
			`There is no team ${request.teamId}. Create it first: npx tollgate team create ${request.teamId} --limit 10 --window day`,
		);
	return { id, key: secret, revision: row.revision };
}

// The successor inherits everything but the end of life; the old key ends with the overlap, or sooner if it would have.
const ROTATE = `
	WITH retired AS (
		UPDATE tollgate.virtual_key
		SET expires_at = least(expires_at, clock_timestamp() + $5 * interval '1 millisecond')
		WHERE id = $4 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
		RETURNING *
	), created AS (
		INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, feature, user_id, environment, models, endpoints, may_assert, max_asserted, requires_run, resubmits_batches, relanes_batches, rotated_from, created_by, expires_at)
		SELECT $1, $2::bytea, $3::bytea, team_id, feature, user_id, environment, models, endpoints, may_assert, max_asserted, requires_run, resubmits_batches, relanes_batches, id, $6, clock_timestamp() + $7 * interval '1 millisecond'
		FROM retired
		RETURNING id
	), recorded AS (
		SELECT tollgate.record_change('key', $4, $6, jsonb_build_object('action', 'rotated', 'successor', id)) AS old_revision, id FROM created
	)
	SELECT tollgate.record_change('key', id, $6, jsonb_build_object('action', 'created', 'rotatedFrom', $4::text)) AS revision, old_revision FROM recorded`;

/**
 * A successor with the same rights; the old key works on for `overlapMs`.
 * @throws CostControlError "admin.not_found" when there is no such key, or it is revoked or expired.
 */
export async function rotateVirtualKey(
	database: Queryable,
	request: { readonly keyId: string; readonly overlapMs: number; readonly expiresInMs?: number | undefined },
	adminName: string,
): Promise<CreatedKey> {
	const { id, secret } = newVirtualKey();
	const values = [id, hashSecret(secret), derivePublicKey(secret), request.keyId, request.overlapMs, adminName, request.expiresInMs ?? null];
	const row = (await database.query<{ revision: string }>(ROTATE, values)).rows[0];
	if (!row) throw new CostControlError("admin.not_found", `There is no live key ${request.keyId}: unknown, revoked or expired.`);
	return { id, key: secret, revision: row.revision };
}

const REVOKE = `
	WITH revoked AS (
		UPDATE tollgate.virtual_key SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING id, team_id
	)
	SELECT tollgate.record_change('key', id, $2, jsonb_build_object('action', 'revoked', 'teamId', team_id)) AS revision FROM revoked`;

/** Safe to repeat. Returns the revision from which no gateway accepts the key. @throws CostControlError "admin.not_found". */
export async function revokeVirtualKey(database: Queryable, keyId: string, adminName: string): Promise<{ readonly revision: string }> {
	const row = (await database.query<{ revision: string }>(REVOKE, [keyId, adminName])).rows[0];
	if (!row) throw new CostControlError("admin.not_found", `There is no key ${keyId}.`);
	return row;
}

const LIST = `
	SELECT id, team_id AS "teamId", feature, user_id AS "userId", environment, models, endpoints, may_assert AS "mayAssert", max_asserted AS "maxAsserted", requires_run AS "requiresRun", resubmits_batches AS "resubmitsBatches", relanes_batches AS "relanesBatches",
	       rotated_from AS "rotatedFrom", created_at AS "createdAt", created_by AS "createdBy", expires_at AS "expiresAt", revoked_at AS "revokedAt"
	FROM tollgate.virtual_key
	WHERE ($1::text IS NULL OR team_id = $1) AND ($2::text IS NULL OR id > $2)
	ORDER BY id
	LIMIT $3`;

type KeyListRow = Omit<VirtualKey, "createdAt" | "expiresAt" | "revokedAt"> & { createdAt: Date; expiresAt: Date | null; revokedAt: Date | null };

/** One page of keys by id; `afterId` continues after the last id of the page before. */
export async function listVirtualKeys(
	database: Queryable,
	page: { readonly teamId?: string | undefined; readonly afterId?: string | undefined; readonly limit: number },
): Promise<VirtualKey[]> {
	const { rows } = await database.query<KeyListRow>(LIST, [page.teamId ?? null, page.afterId ?? null, page.limit]);
	return rows.map((row) => ({
		...row,
		createdAt: row.createdAt.toISOString(),
		expiresAt: row.expiresAt?.toISOString() ?? null,
		revokedAt: row.revokedAt?.toISOString() ?? null,
	}));
}
