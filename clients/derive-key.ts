import { createPrivateKey, hkdfSync, sign } from "node:crypto";
import {
	CHILD_KEY_TTL_MS_MAX,
	type ChildKeyPayload,
	childKeyToSign,
	DERIVATION_PURPOSE,
	isAttributionValue,
	KEY_ID_PURPOSE,
	PKCS8_ED25519_HEX,
} from "#domain/keys/virtual-key.ts";

export type ChildKeyRequest = {
	/** The virtual key (tg-…) that this key is a child of. */
	readonly key: string;
	/** Attribution of every call made with the child key; what the parent fixes cannot be changed. */
	readonly user?: string | undefined;
	readonly feature?: string | undefined;
	readonly environment?: string | undefined;
	/** Life of the child key, at most 24 h; it also ends with its parent. */
	readonly ttlMs: number;
	/** Default: now. */
	readonly nowMs?: number | undefined;
};

/**
 * Derives a short-lived key from a virtual key, offline and without a stored row: for a backend that hands
 * each of its users a key of their own. Anybody who holds the virtual key can do this, nobody else.
 * @throws RangeError on a value that no key can carry, or a life outside 1 ms to 24 h.
 */
export function deriveKey(request: ChildKeyRequest): string {
	const { key, ttlMs, user, feature, environment } = request;
	if (!(ttlMs > 0 && ttlMs <= CHILD_KEY_TTL_MS_MAX)) throw new RangeError("a derived key lives for 24 hours at most");
	for (const value of [user, feature, environment]) {
		if (value !== undefined && !isAttributionValue(value)) throw new RangeError(`not a value a key can carry: ${JSON.stringify(value)}`);
	}
	const payload: ChildKeyPayload = {
		...(user === undefined ? {} : { user }),
		...(feature === undefined ? {} : { feature }),
		...(environment === undefined ? {} : { environment }),
		exp: Math.floor(((request.nowMs ?? Date.now()) + ttlMs) / 1000),
	};
	const keyId = `key_${derive(key, KEY_ID_PURPOSE, 8).toString("hex")}`;
	const signed = childKeyToSign(keyId, Buffer.from(JSON.stringify(payload)).toString("base64url"));
	const privateKey = createPrivateKey({
		key: Buffer.concat([Buffer.from(PKCS8_ED25519_HEX, "hex"), derive(key, DERIVATION_PURPOSE, 32)]),
		format: "der",
		type: "pkcs8",
	});
	return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
}

function derive(secret: string, purpose: string, bytes: number): Buffer {
	return Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), purpose, bytes));
}
