import { hashSecret } from "#activities/keys/derive.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { AdminGrant } from "#domain/access/admin-role.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type AdminRequest, authenticateAdmin, grantOf, requireAdminName } from "./admin-keys.ts";
import { newConsoleToken } from "./console-token.ts";

/** Who is signed in to the console. Times are ISO 8601, UTC. */
export type ConsoleSession = AdminGrant & {
	readonly name: string;
	/** null: of an identity provider. */
	readonly adminKeyId: string | null;
	readonly csrfToken: string;
	/** At the latest: 12 hours after sign-in; two hours without a request end it before. */
	readonly expiresAt: string;
};

/** `token` is the secret of the cookie: returned once, never stored. */
export type OpenedSession = { readonly token: string; readonly session: ConsoleSession };

export type ConsoleLink = AdminGrant & { readonly token: string; readonly name: string; readonly expiresAt: string };

const CREATE_LINK = `
	WITH forgotten AS (
		DELETE FROM tollgate.console_link WHERE expires_at < clock_timestamp() - interval '1 day'
	), created AS (
		INSERT INTO tollgate.console_link (token_hash, name, role, team_ids, admin_key_id, created_by, expires_at)
		VALUES ($1::bytea, $2, $3, $4::text[], $5, $6, clock_timestamp() + interval '10 minutes') RETURNING expires_at
	)
	SELECT expires_at AS "expiresAt",
	       tollgate.record_change('console', $2, $6, jsonb_build_object('action', 'link created', 'role', $3::text, 'teamIds', $4::text[])) AS revision FROM created`;

/**
 * A link that opens one session within ten minutes, in the name of whoever makes it unless it names somebody else.
 * @throws CostControlError "admin.invalid" naming the field, "admin.not_found" for a team.
 */
export async function createConsoleLink(
	database: Queryable,
	request: Omit<AdminRequest, "name"> & { readonly name?: string | undefined },
	by: { readonly adminName: string; readonly adminKeyId: string | null },
): Promise<ConsoleLink> {
	const { name = by.adminName } = request;
	if (request.name !== undefined) requireAdminName(name);
	const { role, teamIds } = await grantOf(database, request);
	const token = newConsoleToken("link");
	const values = [hashSecret(token), name, role, teamIds, by.adminKeyId, by.adminName];
	const { rows } = await database.query<{ expiresAt: Date }>(CREATE_LINK, values);
	return { token, name, role, teamIds, expiresAt: isoOf(rows[0]?.expiresAt) };
}

const SESSION = 'name, role, team_ids AS "teamIds", admin_key_id AS "adminKeyId", csrf_token AS "csrfToken", expires_at AS "expiresAt"';
type SessionRow = Omit<ConsoleSession, "expiresAt"> & { readonly expiresAt: Date };

/** Ends with a session that is opened: those that are over are forgotten, and the change log says who came in. */
const OPENED = (source: string) => `
	forgotten AS (
		DELETE FROM tollgate.console_session WHERE expires_at < clock_timestamp()
	), opened AS (
		INSERT INTO tollgate.console_session (token_hash, csrf_token, name, role, team_ids, admin_key_id, way, expires_at)
		SELECT $1::bytea, $2, x.name, x.role, x.team_ids, x.admin_key_id, x.way, clock_timestamp() + interval '12 hours' FROM (${source}) x RETURNING *
	)
	SELECT ${SESSION}, tollgate.record_change('console', name, name, jsonb_build_object('action', 'signed in', 'way', way, 'role', role, 'teamIds', team_ids)) AS revision
	FROM opened`;

// One UPDATE takes it: whoever comes second finds it used.
const OPEN_BY_LINK = `
	WITH taken AS (
		UPDATE tollgate.console_link l SET used_at = clock_timestamp()
		WHERE token_hash = $3 AND used_at IS NULL AND expires_at > clock_timestamp()
			AND NOT EXISTS (SELECT 1 FROM tollgate.admin_key k WHERE k.id = l.admin_key_id AND k.revoked_at IS NOT NULL)
		RETURNING name, role, team_ids, admin_key_id
	), ${OPENED("SELECT *, 'link' AS way FROM taken")}`;
const LINK = 'SELECT used_at IS NOT NULL AS "isUsed" FROM tollgate.console_link WHERE token_hash = $1';

/** @throws CostControlError "link.unknown", "link.used", "link.expired"; the last also where the key it was made with is revoked. */
export async function openSessionByLink(database: Queryable, link: string): Promise<OpenedSession> {
	const hash = hashSecret(link);
	const opened = await open(database, OPEN_BY_LINK, [hash]);
	if (opened !== undefined) return opened;
	const known = (await database.query<{ isUsed: boolean }>(LINK, [hash])).rows[0];
	if (known === undefined) throw new CostControlError("link.unknown", `This is no link of this system. ${ANOTHER_LINK}`);
	if (known.isUsed) throw new CostControlError("link.used", `This link has opened a session already, and opens one only. ${ANOTHER_LINK}`);
	throw new CostControlError("link.expired", `This link is older than ten minutes, or whoever made it may no longer. ${ANOTHER_LINK}`);
}

const ANOTHER_LINK = "Another one: npx tollgate console";
const OPEN_BY_KEY = `WITH ${OPENED("SELECT name, role, team_ids, id AS admin_key_id, 'key' AS way FROM tollgate.admin_key WHERE id = $3 AND revoked_at IS NULL")}`;

/** @throws CostControlError "key.invalid". */
export async function openSessionByKey(database: Queryable, adminKey: string): Promise<OpenedSession> {
	const admin = await authenticateAdmin(database, adminKey);
	const opened = admin && (await open(database, OPEN_BY_KEY, [admin.id]));
	if (opened === undefined) throw new CostControlError("key.invalid", "This admin key is unknown or revoked.");
	return opened;
}

const OPEN_BY_IDENTITY = `WITH ${OPENED("SELECT $3::text AS name, $4::text AS role, $5::text[] AS team_ids, NULL AS admin_key_id, 'oidc' AS way")}`;

/** Of somebody whom the identity provider vouches for. */
export async function openSessionByIdentity(database: Queryable, { name, role, teamIds }: AdminGrant & { readonly name: string }): Promise<OpenedSession> {
	const opened = await open(database, OPEN_BY_IDENTITY, [name, role, teamIds]);
	if (opened === undefined) throw new Error("a session was not opened");
	return opened;
}

async function open(database: Queryable, statement: string, values: readonly unknown[]): Promise<OpenedSession | undefined> {
	const token = newConsoleToken("session");
	const { rows } = await database.query<SessionRow>(statement, [hashSecret(token), newConsoleToken("csrf"), ...values]);
	return rows[0] && { token, session: toSession(rows[0]) };
}

// What is read each second by an open page is written down once a minute.
const FIND = `
	WITH touched AS (
		UPDATE tollgate.console_session SET last_seen_at = clock_timestamp()
		WHERE token_hash = $1 AND last_seen_at < clock_timestamp() - interval '1 minute'
			AND EXISTS (SELECT 1 FROM tollgate.live_console_session l WHERE l.token_hash = $1)
	)
	SELECT ${SESSION} FROM tollgate.live_console_session WHERE token_hash = $1`;

/** Whose session this is; undefined once it has ended. Looked up by hash, so no comparison leaks its length or prefix. */
export async function findSession(database: Queryable, token: string): Promise<ConsoleSession | undefined> {
	const row = (await database.query<SessionRow>(FIND, [hashSecret(token)])).rows[0];
	return row && toSession(row);
}

/** Ends it at once; one that has ended already stays so. */
export async function endSession(database: Queryable, token: string): Promise<void> {
	await database.query("DELETE FROM tollgate.console_session WHERE token_hash = $1", [hashSecret(token)]);
}

function toSession({ name, role, teamIds, adminKeyId, csrfToken, expiresAt }: SessionRow): ConsoleSession {
	return { name, role, teamIds, adminKeyId, csrfToken, expiresAt: isoOf(expiresAt) };
}

function isoOf(at: Date | undefined): string {
	if (at === undefined) throw new Error("PostgreSQL answered no time");
	return at.toISOString();
}
