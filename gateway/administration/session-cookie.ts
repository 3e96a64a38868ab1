import type { FastifyReply, FastifyRequest } from "fastify";
import { SESSION_COOKIE } from "./caller.ts";

const SESSION_SECONDS = 12 * 60 * 60;

export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, token: string): void {
	reply.setCookie(SESSION_COOKIE, token, { path: "/", httpOnly: true, sameSite: "strict", secure: cameByHttps(request), maxAge: SESSION_SECONDS });
}

export function clearSessionCookie(reply: FastifyReply): void {
	reply.clearCookie(SESSION_COOKIE, { path: "/" });
}

/** Itself, or at the proxy before it: who says so without one only has his own cookie sent less often. */
export function cameByHttps({ protocol, headers }: FastifyRequest): boolean {
	return (
		protocol === "https" ||
		String(headers["x-forwarded-proto"] ?? "")
			.split(",")[0]
			?.trim() === "https"
	);
}
