import { describe, expect, test } from "vitest";
import { derivePublicKey, hashSecret, isChildSignatureValid, newAdminKey, newVirtualKey } from "#activities/keys/derive.ts";
import { deriveKey } from "#clients/derive-key.ts";
import { parseChildKeyPayload, readPresentedKey } from "#domain/keys/virtual-key.ts";

const { id, secret } = newVirtualKey();
const request = { key: secret, user: "u1", ttlMs: 60_000, nowMs: 1_000_000 };

function presentedChild(text: string) {
	const presented = readPresentedKey(text);
	if (presented.kind !== "child") throw new Error(`${text} is no child key`);
	return presented;
}

test("secrets are never alike and read back as what they are", () => {
	const second = newVirtualKey();
	expect(second.secret).not.toBe(secret);
	expect(second.id).not.toBe(id);
	expect(readPresentedKey(secret).kind).toBe("secret");
	expect(readPresentedKey(newAdminKey().secret).kind).toBe("malformed");
	expect(hashSecret(secret)).toHaveLength(32);
});

describe("child keys", () => {
	test("carry what they were derived with, signed by the parent", () => {
		const child = presentedChild(deriveKey(request));
		expect(isChildSignatureValid(child.signed, child.signatureText, derivePublicKey(secret))).toBe(true);
		expect(parseChildKeyPayload(Buffer.from(child.payloadText, "base64url").toString())).toEqual({ user: "u1", exp: 1_060 });
	});

	test("name the parent by the id it was given", () => {
		expect(presentedChild(deriveKey(request)).parentKeyId).toBe(id);
	});

	test("another secret's signature does not hold", () => {
		const child = presentedChild(deriveKey({ ...request, key: newVirtualKey().secret }));
		expect(isChildSignatureValid(child.signed, child.signatureText, derivePublicKey(secret))).toBe(false);
	});

	test("a changed payload or parent breaks the signature", () => {
		const child = presentedChild(deriveKey(request));
		const forged = `tgc_${id}.${Buffer.from(JSON.stringify({ user: "u2", exp: 9_999_999_999 })).toString("base64url")}`;
		const renamed = child.signed.replace(id, "key_0000000000000000");
		for (const signed of [forged, renamed]) expect(isChildSignatureValid(signed, child.signatureText, derivePublicKey(secret))).toBe(false);
	});

	test("the public key does not depend on anything but the secret", () => {
		expect(derivePublicKey(secret).equals(derivePublicKey(secret))).toBe(true);
		expect(derivePublicKey(secret).equals(derivePublicKey(newVirtualKey().secret))).toBe(false);
	});

	test.each([{ user: "a\nb" }, { ttlMs: 0 }, { ttlMs: Number.NaN }, { ttlMs: 86_400_001 }])("%j is refused", (change) => {
		expect(() => deriveKey({ ...request, ...change })).toThrow(RangeError);
	});
});
