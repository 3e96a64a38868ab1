import { randomBytes } from "node:crypto";

const PREFIXES = { link: "tgl-", session: "tgs-", csrf: "" } as const;

/** A secret of 256 random bits; its beginning says what it opens, for whoever finds one. */
export function newConsoleToken(kind: keyof typeof PREFIXES): string {
	return `${PREFIXES[kind]}${randomBytes(32).toString("base64url")}`;
}
