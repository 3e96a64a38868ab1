import { useQuery } from "@tanstack/react-query";
import { askPlainly, rememberCsrfToken } from "./client.ts";
import { ApiProblem } from "./problem.ts";

export type Role = "viewer" | "team-owner" | "finance" | "operator";

export type Session = {
	readonly name: string;
	readonly role: Role;
	/** null: all teams. */
	readonly teamIds: readonly string[] | null;
	readonly csrfToken: string;
	readonly expiresAt: string;
	readonly temporalUiUrl: string | null;
	readonly timeZone: string;
};

export type SignInWays = { readonly oidc: { readonly name: string; readonly startUrl: string } | null };

export const SESSION_KEY = ["session"] as const;

/** The session of this browser; null: nobody is signed in. */
export function useSessionAnswer() {
	return useQuery({ queryKey: SESSION_KEY, queryFn: readSession, staleTime: Number.POSITIVE_INFINITY });
}

/** Inside of the frame somebody is signed in. */
export function useSession(): Session {
	const { data } = useSessionAnswer();
	if (!data) throw new Error("a page is shown without a session");
	return data;
}

async function readSession(): Promise<Session | null> {
	try {
		return take(await askPlainly("GET", "/admin/v1/session"));
	} catch (error) {
		if (error instanceof ApiProblem && error.status === 401) return null;
		throw error;
	}
}

export async function signIn(proof: { readonly link: string } | { readonly adminKey: string }): Promise<Session> {
	return take(await askPlainly("POST", "/admin/v1/session", proof));
}

export async function signOut(): Promise<void> {
	await askPlainly("DELETE", "/admin/v1/session");
}

export async function readSignInWays(): Promise<SignInWays> {
	return (await askPlainly("GET", "/admin/v1/session/ways")) as SignInWays;
}

function take(answer: unknown): Session {
	const session = answer as Session;
	rememberCsrfToken(session.csrfToken);
	return session;
}
