import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect } from "react";
import { type Answer, api, rememberCsrfToken, unwrap } from "./client.ts";
import { ApiProblem } from "./problem.ts";
import { hearTabs, tellTabs } from "./tabs.ts";

export type Session = Answer<"/admin/v1/session">;

export const SESSION_KEY = ["session"] as const;

/** The session of this browser; null: nobody is signed in. */
export function useSessionAnswer() {
	return useQuery({ queryKey: SESSION_KEY, queryFn: readSession, staleTime: Number.POSITIVE_INFINITY });
}

/** Who signs in or out in another tab does so in this one: they share the cookie. */
export function useOtherTabsSession(): void {
	const client = useQueryClient();
	useEffect(
		() =>
			hearTabs(({ kind }) => {
				if (kind === "signed-out") forgetSession(client);
				else if (kind === "signed-in") void refreshSession(client);
			}),
		[client],
	);
}

/** Nobody is signed in any more, and what one person saw is not for the next. */
export function forgetSession(client: QueryClient): void {
	client.setQueryData(SESSION_KEY, null);
	client.removeQueries({ predicate: isOfSession });
}

/** Asks again who is signed in. True: the same as before; else nothing is kept of what was shown. */
export async function refreshSession(client: QueryClient): Promise<boolean> {
	const tokenOf = (): string | undefined => client.getQueryData<Session | null>(SESSION_KEY)?.csrfToken;
	const before = tokenOf();
	await client.refetchQueries({ queryKey: SESSION_KEY, exact: true });
	if (tokenOf() === before) return true;
	if (tokenOf() === undefined) forgetSession(client);
	else client.removeQueries({ predicate: isOfSession });
	return false;
}

function isOfSession({ queryKey }: { readonly queryKey: readonly unknown[] }): boolean {
	return queryKey[0] !== SESSION_KEY[0];
}

const SessionContext = createContext<Session | null>(null);
/** Of those who are signed in: what is inside keeps its session until it is taken away, also while signing out. */
export const SessionProvider = SessionContext.Provider;

/** Inside of the frame somebody is signed in. */
export function useSession(): Session {
	const session = useContext(SessionContext);
	if (session === null) throw new Error("a page is shown without a session");
	return session;
}

async function readSession(): Promise<Session | null> {
	try {
		return take(unwrap(await api.GET("/admin/v1/session")));
	} catch (error) {
		if (error instanceof ApiProblem && error.status === 401) return null;
		throw error;
	}
}

export async function signIn(proof: { readonly link: string } | { readonly adminKey: string }): Promise<Session> {
	const session = take(unwrap(await api.POST("/admin/v1/session", { body: proof })));
	tellTabs({ kind: "signed-in" });
	return session;
}

export async function signOut(): Promise<void> {
	await api.DELETE("/admin/v1/session");
	tellTabs({ kind: "signed-out" });
}

export async function readSignInWays(): Promise<Answer<"/admin/v1/session/ways">> {
	return unwrap(await api.GET("/admin/v1/session/ways"));
}

function take(session: Session): Session {
	rememberCsrfToken(session.csrfToken);
	return session;
}
