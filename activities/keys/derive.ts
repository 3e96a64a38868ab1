import { createHash, createPrivateKey, createPublicKey, hkdfSync, randomBytes, verify } from "node:crypto";
import { ADMIN_KEY_PREFIX, DERIVATION_PURPOSE, KEY_ID_PURPOSE, PKCS8_ED25519_HEX, SECRET_BYTES, VIRTUAL_KEY_PREFIX } from "#domain/keys/virtual-key.ts";

/**
 * The cryptography of keys. The secret seeds an Ed25519 pair; the database holds only the public half,
 * so that reading it lets nobody derive a child key, and a derived key (clients/derive-key.ts) needs no row.
 */
export type NewSecret = { readonly id: string; readonly secret: string };

export function newVirtualKey(): NewSecret {
	const secret = `${VIRTUAL_KEY_PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
	const id = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), KEY_ID_PURPOSE, 8)).toString("hex");
	return { id: `key_${id}`, secret };
}

export function newAdminKey(): NewSecret {
	return { id: `adm_${randomBytes(8).toString("hex")}`, secret: `${ADMIN_KEY_PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}` };
}

/** SHA-256: a secret of 256 random bits needs no slow hash. */
export function hashSecret(secret: string): Buffer {
	return createHash("sha256").update(secret, "utf8").digest();
}

/** Public half of the pair seeded by a secret, SPKI DER: what the database stores. */
export function derivePublicKey(secret: string): Buffer {
	const seed = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), DERIVATION_PURPOSE, 32));
	const privateKey = createPrivateKey({ key: Buffer.concat([Buffer.from(PKCS8_ED25519_HEX, "hex"), seed]), format: "der", type: "pkcs8" });
	return createPublicKey(privateKey).export({ format: "der", type: "spki" });
}

/** Whether a child key was signed by the holder of the parent's secret. */
export function isChildSignatureValid(signed: string, signatureText: string, publicKeyDer: Buffer): boolean {
	const publicKey = createPublicKey({ key: publicKeyDer, format: "der", type: "spki" });
	return verify(null, Buffer.from(signed), publicKey, Buffer.from(signatureText, "base64url"));
}
