import type { ErrorCode } from "../errors/codes.ts";
import { readJson } from "../text/read-json.ts";

/**
 * Formats of the credentials Tollgate gives out. Only the secret is secret; ids stand in logs,
 * ledgers and the change history.
 *
 * - virtual key: `tg-` and 32 random bytes in base64url, shown once, stored as its SHA-256
 * - admin key: `tga-` and 32 random bytes, likewise
 * - key id: `key_` and 16 hex digits that follow from the secret, so that its holder knows it without asking;
 *   of an admin key `adm_` and 16 random ones
 * - child key: `tgc_<parent key id>.<payload>.<signature>`, derived by the holder of the parent's secret
 *   and never stored; payload is base64url JSON, signature Ed25519 over everything before its dot
 */
export const VIRTUAL_KEY_PREFIX = "tg-";
export const ADMIN_KEY_PREFIX = "tga-";
export const CHILD_KEY_PREFIX = "tgc_";
/** Bytes of randomness in a secret. */
export const SECRET_BYTES = 32;
/** HKDF info strings: they keep the uses of one secret apart, and are never changed. */
export const DERIVATION_PURPOSE = "tollgate child key 1";
export const KEY_ID_PURPOSE = "tollgate key id 1";
/** RFC 8410: the fixed start of a PKCS #8 Ed25519 private key, in hex; the 32-byte seed follows. */
export const PKCS8_ED25519_HEX = "302e020100300506032b657004220420";
/** A child key cannot outlive this, counted from the moment it is presented. */
export const CHILD_KEY_TTL_MS_MAX = 24 * 60 * 60 * 1000;

const SECRET = /^tg-[A-Za-z0-9_-]{43,128}$/;
const CHILD_KEY = /^(tgc_(key_[0-9a-f]{16})\.([A-Za-z0-9_-]{1,1024}))\.([A-Za-z0-9_-]{86})$/;

/** What a child key says. Absent fields are the parent's. */
export type ChildKeyPayload = {
	readonly user?: string;
	readonly feature?: string;
	readonly environment?: string;
	/** End of life in seconds since 1970, UTC. */
	readonly exp: number;
};

export type PresentedKey =
	| { readonly kind: "secret"; readonly secret: string }
	| { readonly kind: "child"; readonly parentKeyId: string; readonly signed: string; readonly payloadText: string; readonly signatureText: string }
	| { readonly kind: "malformed" };

/** Tells by its form what a caller presented. Looks nothing up. */
export function readPresentedKey(text: string): PresentedKey {
	if (SECRET.test(text)) return { kind: "secret", secret: text };
	const [, signed, parentKeyId, payloadText, signatureText] = CHILD_KEY.exec(text) ?? [];
	if (signed === undefined || parentKeyId === undefined || payloadText === undefined || signatureText === undefined) return { kind: "malformed" };
	return { kind: "child", parentKeyId, signed, payloadText, signatureText };
}

/** What a child key's signature covers; `payloadText` is base64url JSON. */
export function childKeyToSign(parentKeyId: string, payloadText: string): string {
	return `${CHILD_KEY_PREFIX}${parentKeyId}.${payloadText}`;
}

/** Reads the JSON of a child key's payload; undefined when it is not exactly such an object. */
export function parseChildKeyPayload(json: string): ChildKeyPayload | undefined {
	let value: unknown;
	try {
		value = readJson(json);
	} catch (error) {
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
	if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
	const fields = value as Record<string, unknown>;
	const exp = fields["exp"];
	if (typeof exp !== "number" || !Number.isSafeInteger(exp) || exp <= 0) return undefined;
	const payload: { -readonly [Name in keyof ChildKeyPayload]: ChildKeyPayload[Name] } = { exp };
	for (const [name, claim] of Object.entries(fields)) {
		if (name === "exp") continue;
		if (name !== "user" && name !== "feature" && name !== "environment") return undefined;
		if (typeof claim !== "string" || !isAttributionValue(claim)) return undefined;
		payload[name] = claim;
	}
	return payload;
}

/** Values of user, feature and environment: 1 to 128 printable characters without surrounding blanks. */
export function isAttributionValue(value: string): boolean {
	return value.length > 0 && value.length <= 128 && value.trim() === value && !/[\p{Cc}\p{Cs}]/u.test(value);
}

/** A stored key as the rules about it need it. */
export type KeyFacts = {
	readonly isRevoked: boolean;
	/** Milliseconds until the key ends, on the authority's clock; null = never. */
	readonly expiresInMs: number | null;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
};

export type KeyRefusal = { readonly code: ErrorCode; readonly message: string };

/** Why a stored key may not be used; undefined when it may. */
export function decideKeyLife(key: KeyFacts): KeyRefusal | undefined {
	if (key.isRevoked) return { code: "key.revoked", message: "This key has been revoked. Ask an administrator for a new one: npx tollgate key create." };
	if (key.expiresInMs !== null && key.expiresInMs <= 0)
		return { code: "key.expired", message: "This key has expired. Ask an administrator for a new one: npx tollgate key rotate." };
	return undefined;
}

/**
 * Why a child key whose signature holds may still not be used. A child fills in what its parent leaves
 * open and never changes what the parent fixes. `childExpiresInMs` is on the authority's clock.
 */
export function decideChildKey(parent: KeyFacts, payload: ChildKeyPayload, childExpiresInMs: number): KeyRefusal | undefined {
	const parentRefusal = decideKeyLife(parent);
	if (parentRefusal) return parentRefusal;
	if (childExpiresInMs <= 0)
		return { code: "key.expired", message: "This derived key has expired. Derive a new one from its parent: npx tollgate key derive." };
	if (childExpiresInMs > CHILD_KEY_TTL_MS_MAX) return { code: "key.invalid", message: "A derived key may live for 24 hours at most." };
	const isForeign = (claimed: string | undefined, fixed: string | null) => claimed !== undefined && fixed !== null && claimed !== fixed;
	if (isForeign(payload.user, parent.userId)) return { code: "key.scope", message: "This derived key names another user than its parent key belongs to." };
	if (isForeign(payload.feature, parent.feature))
		return { code: "key.scope", message: "This derived key names another feature than its parent key belongs to." };
	if (isForeign(payload.environment, parent.environment))
		return { code: "key.scope", message: "This derived key names another environment than its parent key belongs to." };
	return undefined;
}
