import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { type Answer, api, rememberCsrfToken, unwrap } from "./client.ts";
import { ApiProblem } from "./problem.ts";

export type Session = Answer<"/admin/v1/session">;

export const SESSION_KEY = ["session"] as const;

/** The session of this browser; null: nobody is signed in. */
export function useSessionAnswer() {
	return useQuery({ queryKey: SESSION_KEY, queryFn: readSession, staleTime: Number.POSITIVE_INFINITY });
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
	return take(unwrap(await api.POST("/admin/v1/session", { body: proof })));
}

export async function signOut(): Promise<void> {
	await api.DELETE("/admin/v1/session");
}

export async function readSignInWays(): Promise<Answer<"/admin/v1/session/ways">> {
	return unwrap(await api.GET("/admin/v1/session/ways"));
}

function take(session: Session): Session {
	rememberCsrfToken(session.csrfToken);
	return session;
}
