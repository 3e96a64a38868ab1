import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { openSessionByIdentity } from "#activities/administration/console-sessions.ts";
import type { OidcAttempt, OidcProvider } from "#activities/identity/oidc.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { ERROR_CODES } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { escapeHtml } from "#domain/reports/rendering/escape.ts";
import { cameByHttps, setSessionCookie } from "./session-cookie.ts";
import type { SignInTries } from "./sign-in-tries.ts";

export const OIDC_PATH = "/console/oidc";
const ATTEMPT_COOKIE = "tollgate_oidc";
const ATTEMPT_SECONDS = 600;

export type OidcParts = {
	readonly provider: OidcProvider;
	readonly database: Queryable;
	readonly tries: SignInTries;
	/** Told why the provider's answer did not hold; the browser is told less. */
	readonly onRefusal: (error: CostControlError) => void;
};

/**
 * Sign-in by an identity provider. What the browser has to bring back lies in a cookie of its own, Lax, since it comes back from another site. The session's
 * cookie, Strict, is not needed for the page it is sent on to: that page asks for the session from its own origin.
 */
export function addOidcPages(app: FastifyInstance, parts: OidcParts): void {
	app.get(`${OIDC_PATH}/start`, async (request, reply) => {
		try {
			const { url, attempt } = await parts.provider.begin();
			const value = [attempt.state, attempt.nonce, attempt.codeVerifier].join(".");
			reply.setCookie(ATTEMPT_COOKIE, value, { path: OIDC_PATH, httpOnly: true, sameSite: "lax", secure: cameByHttps(request), maxAge: ATTEMPT_SECONDS });
			return reply.redirect(url, 303);
		} catch (error) {
			return sendRefusal(reply, error, parts);
		}
	});
	app.get(`${OIDC_PATH}/callback`, async (request, reply) => {
		const attempt = readAttempt(request);
		reply.clearCookie(ATTEMPT_COOKIE, { path: OIDC_PATH });
		try {
			const query = new URL(request.url, "http://console").searchParams;
			const { token } = await parts.tries.count(request.ip, async () =>
				openSessionByIdentity(parts.database, await parts.provider.finish(query, attempt ?? begun())),
			);
			setSessionCookie(request, reply, token);
			return reply.redirect("/console/", 303);
		} catch (error) {
			return sendRefusal(reply, error, parts);
		}
	});
}

function begun(): never {
	throw new CostControlError("session.identity", "This sign-in was begun in another browser, or more than ten minutes ago. Begin again.");
}

function readAttempt(request: FastifyRequest): OidcAttempt | undefined {
	const [, state, nonce, codeVerifier] = /^([\w-]{20,200})\.([\w-]{20,200})\.([\w-]{20,200})$/.exec(request.cookies[ATTEMPT_COOKIE] ?? "") ?? [];
	return state === undefined || nonce === undefined || codeVerifier === undefined ? undefined : { state, nonce, codeVerifier };
}

function sendRefusal(reply: FastifyReply, error: unknown, { onRefusal }: OidcParts): FastifyReply {
	if (!(error instanceof CostControlError)) throw error;
	onRefusal(error);
	const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not signed in</title></head>
<body><h1>Not signed in</h1><p>${escapeHtml(error.publicMessage)}</p><p><a href="/console/">Sign in another way</a></p></body></html>
`;
	return reply.code(ERROR_CODES[error.code].httpStatus).type("text/html; charset=utf-8").send(page);
}
