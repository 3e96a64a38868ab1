import { createHmac, hkdfSync } from "node:crypto";

/**
 * What callers say of their users never reaches the journal or the ledger, whose hash chain would keep it for ever: an
 * opaque id stands there instead, the same for the same text of the same team on every gateway of a system, so that the
 * calls of one user can still be told apart from another's. Nobody finds the text from the id without the gateways' secret.
 */
export type OpaqueUserId = (teamId: string, text: string) => string;

/** The fields that name a user, by the protocols. Other metadata pairs are the application's own and kept as it wrote them. */
const USER_FIELDS: ReadonlySet<string> = new Set(["user", "safety_identifier", "metadata.user_id"]);
const PURPOSE = "tollgate claimed user 1";
const KEY_BYTES = 32;
const ID_BYTES = 16;

/** `secret`: 32 bytes that all gateways of a system share; another secret gives other ids. */
export function createOpaqueUserIds(secret: Buffer): OpaqueUserId {
	const key = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), PURPOSE, KEY_BYTES));
	// A team id holds no NUL, so no two pairs are one text.
	return (teamId, text) => `user_${createHmac("sha256", key).update(`${teamId}\0${text}`).digest().subarray(0, ID_BYTES).toString("base64url")}`;
}

/** The claims with every user's name made opaque. Costs nothing where no user is claimed. */
export function withOpaqueUsers(claimed: Readonly<Record<string, string>>, idOf: (text: string) => string): Readonly<Record<string, string>> {
	let opaque: Record<string, string> | undefined;
	for (const name in claimed) {
		if (!USER_FIELDS.has(name)) continue;
		opaque ??= { ...claimed };
		opaque[name] = idOf(claimed[name] ?? "");
	}
	return opaque ?? claimed;
}
