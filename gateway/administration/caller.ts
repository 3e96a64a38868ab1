import { timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { authenticateAdmin } from "#activities/administration/admin-keys.ts";
import { type ConsoleSession, findSession } from "#activities/administration/console-sessions.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { AdminGrant } from "#domain/access/admin-role.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export const SESSION_COOKIE = "tollgate_session";
export const CSRF_HEADER = "x-tollgate-csrf";

/** Who asks: by an admin key, or by a session of the console. */
export type Caller = AdminGrant & {
	readonly name: string;
	/** Of the key, or of that the session came from; null: of an identity provider. */
	readonly adminKeyId: string | null;
	readonly session: ConsoleSession | null;
	/** What was shown: the key or the cookie. */
	readonly secret: string;
};

/** @throws CostControlError "key.missing", "key.invalid", "session.ended", "session.csrf". */
export async function identifyCaller(request: FastifyRequest, database: Queryable): Promise<Caller> {
	if (request.headers.authorization !== undefined) return identifyByKey(request.headers.authorization, database);
	const token = request.cookies[SESSION_COOKIE];
	if (token === undefined) throw new CostControlError("key.missing", "Send an admin key as Authorization: Bearer tga-…, or sign in to the console.");
	refuseOtherSites(request);
	const session = await findSession(database, token);
	if (session === undefined) throw new CostControlError("session.ended", "This session has ended. Sign in again.");
	if (!isRead(request)) requireCsrfToken(request.headers[CSRF_HEADER], session.csrfToken);
	const { name, role, teamIds, adminKeyId } = session;
	return { name, role, teamIds, adminKeyId, session, secret: token };
}

async function identifyByKey(authorization: string, database: Queryable): Promise<Caller> {
	const [scheme, secret, ...rest] = authorization.split(" ");
	if (scheme?.toLowerCase() !== "bearer" || !secret || rest.length > 0)
		throw new CostControlError("key.missing", "Send an admin key as Authorization: Bearer tga-…");
	const admin = await authenticateAdmin(database, secret);
	if (!admin) throw new CostControlError("key.invalid", "This admin key is unknown or revoked. Virtual keys (tg-…) cannot administer.");
	const { id: adminKeyId, name, role, teamIds } = admin;
	return { name, role, teamIds, adminKeyId, session: null, secret };
}

function isRead({ method }: FastifyRequest): boolean {
	return method === "GET" || method === "HEAD";
}

function requireCsrfToken(given: string | readonly string[] | undefined, expected: string): void {
	const [a, b] = [Buffer.from(typeof given === "string" ? given : ""), Buffer.from(expected)];
	if (a.length === b.length && timingSafeEqual(a, b)) return;
	throw new CostControlError("session.csrf", `With a session every change needs the header ${CSRF_HEADER}, as GET /admin/v1/session says it.`);
}

/**
 * A browser says which page a request comes from: by Sec-Fetch-Site, or, where it trusts the address too little to send that, by Origin. A cookie that is
 * SameSite=Strict is not sent from other sites; another port of the same host is the same site, and is refused here.
 * @throws CostControlError "session.csrf".
 */
export function refuseOtherSites(request: FastifyRequest): void {
	const site = request.headers["sec-fetch-site"];
	// "none": an address that a person typed or kept; no browser changes anything by it.
	const isOwn = site === undefined ? isOwnOrigin(request) : site === "same-origin" || (site === "none" && isRead(request));
	if (!isOwn) throw new CostControlError("session.csrf", "This request comes from another site than the console.");
}

/** A proxy may name the host it was asked for; no page can make a browser send that header to another site. */
function isOwnOrigin({ headers }: FastifyRequest): boolean {
	const { origin, host } = headers;
	if (origin === undefined) return true;
	const forwarded = headers["x-forwarded-host"];
	const asked = URL.canParse(origin) ? new URL(origin).host : "";
	return asked !== "" && (asked === host || asked === forwarded);
}
