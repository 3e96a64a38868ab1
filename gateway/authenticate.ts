import type { IncomingMessage } from "node:http";
import type { KeyResolution, RequestAuthority } from "#activities/request/port.ts";
import { readCredential } from "./credentials.ts";
import type { Problem } from "./problem.ts";

type Known = Extract<KeyResolution, { kind: "known" }>;
export type Authentication = Known | ({ readonly kind: "refused" } & Problem);

/** Whose key a request shows, by its head alone: an unknown key cannot make us hold 32 MiB. Synchronous for a known key. */
export function authenticate(
	authority: Pick<RequestAuthority, "resolveKey">,
	{ rawHeaders, socket }: Pick<IncomingMessage, "rawHeaders" | "socket">,
): Authentication | Promise<Authentication> {
	const credential = readCredential(rawHeaders);
	return credential.kind === "rejected" ? { kind: "refused", ...credential.problem } : authority.resolveKey(credential.secret, socket);
}
