import { createConsoleLink, endSession, type OpenedSession, openSessionByKey, openSessionByLink } from "#activities/administration/console-sessions.ts";
import { Done } from "#clients/administration-contract.ts";
import * as contract from "#clients/session-contract.ts";
import type { AdminGrant } from "#domain/access/admin-role.ts";
import { ANYONE, operators, SIGNED_IN } from "./access.ts";
import { AnswerWithSession, defineRoute, type Route, type RouteContext, StreamedAnswer } from "./route.ts";

/** Sign-in to the console. */
export const SESSION_ROUTES: readonly Route[] = [
	defineRoute("POST /session", {
		operationId: "signIn",
		access: ANYONE,
		summary: "Sign in with a one-time link or an admin key; the answer sets the cookie of the session",
		body: contract.SignInRequest,
		answer: contract.Session,
		handle: async (context, { body: { link, adminKey = "" } }) => {
			const { database, visitor, feed } = context;
			const { token, session } = await visitor.tries.count(
				visitor.address,
				(): Promise<OpenedSession> => (link === undefined ? openSessionByKey(database, adminKey) : openSessionByLink(database, link)),
			);
			if (visitor.cookie !== undefined) {
				await endSession(database, visitor.cookie);
				feed.close(visitor.cookie);
			}
			return new AnswerWithSession(describeSession(context, session), token);
		},
	}),
	defineRoute("GET /session", {
		operationId: "readSession",
		access: SIGNED_IN,
		summary: "Who is signed in, with which rights, until when",
		answer: contract.Session,
		handle: async (context) => describeSession(context, context.caller),
	}),
	defineRoute("DELETE /session", {
		operationId: "signOut",
		access: SIGNED_IN,
		summary: "Sign out: the session ends at once",
		answer: Done,
		handle: async ({ database, caller, feed }) => {
			if (caller.session !== null) await endSession(database, caller.secret);
			feed.close(caller.secret);
			return new AnswerWithSession({ done: true }, null);
		},
	}),
	defineRoute("GET /session/ways", {
		operationId: "listSignInWays",
		access: ANYONE,
		summary: "How one may sign in beside links and admin keys",
		answer: contract.SignInWays,
		handle: async ({ console: { oidc } }) => ({ oidc: oidc && { name: oidc.name, startUrl: oidc.startUrl } }),
	}),
	defineRoute("GET /events", {
		operationId: "listenForChanges",
		access: SIGNED_IN,
		summary: "Server-sent events: which of what pages show has changed, at most once a second",
		answer: contract.ChangeEvents,
		handle: async ({ caller, feed, visitor: { lastEventId } }) => StreamedAnswer.events(await feed.listen(caller, { lastEventId })),
	}),
	defineRoute("POST /console-links", {
		operationId: "createConsoleLink",
		access: operators(),
		summary: "A one-time link to the console; what opens the session is in this answer only",
		body: contract.CreateConsoleLinkRequest,
		answer: contract.ConsoleLink,
		status: 201,
		handle: async ({ database, adminName, caller }, { body }) => {
			const { token, teamIds, ...link } = await createConsoleLink(database, body, { adminName, adminKeyId: caller.adminKeyId });
			return { path: `/console/enter#${token}`, ...link, teamIds: teamIds && [...teamIds] };
		},
	}),
];

type Described = AdminGrant & { readonly name: string; readonly session?: OpenedSession["session"] | null };

function describeSession({ console: { temporalUiUrl }, reports }: RouteContext, of: Described | OpenedSession["session"]) {
	const session = "csrfToken" in of ? of : of.session;
	return {
		...{ name: of.name, role: of.role, teamIds: of.teamIds && [...of.teamIds], temporalUiUrl, timeZone: reports.timeZone },
		csrfToken: session?.csrfToken ?? "",
		expiresAt: session?.expiresAt ?? null,
	};
}
