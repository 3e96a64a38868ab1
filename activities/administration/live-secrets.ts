import { hashSecret } from "#activities/keys/derive.ts";
import type { Queryable } from "#activities/keys/port.ts";

const LIVE = `
	SELECT token_hash AS hash FROM tollgate.live_console_session WHERE token_hash = ANY ($1::bytea[])
	UNION ALL SELECT secret_hash FROM tollgate.admin_key WHERE secret_hash = ANY ($1::bytea[]) AND revoked_at IS NULL`;

/** Which of these admin keys and sessions still hold. Being asked about keeps no session awake. */
export async function liveSecrets(database: Queryable, secrets: readonly string[]): Promise<ReadonlySet<string>> {
	const byHash = new Map(secrets.map((secret) => [hashSecret(secret).toString("hex"), secret]));
	const { rows } = await database.query<{ hash: Buffer }>(LIVE, [[...byHash.keys()].map((hex) => Buffer.from(hex, "hex"))]);
	return new Set(rows.flatMap(({ hash }) => byHash.get(hash.toString("hex")) ?? []));
}
