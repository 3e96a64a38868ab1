import { describe, expect, test } from "vitest";
import {
	CHILD_KEY_TTL_MS_MAX,
	decideChildKey,
	decideKeyLife,
	isAttributionValue,
	type KeyFacts,
	parseChildKeyPayload,
	readPresentedKey,
} from "#domain/keys/virtual-key.ts";

const parent: KeyFacts = { isRevoked: false, expiresInMs: null, feature: null, userId: null, environment: null };
const payload = (json: unknown) => parseChildKeyPayload(JSON.stringify(json));

describe("reading what a caller presents", () => {
	test("a secret has 256 random bits", () => {
		expect(readPresentedKey(`tg-${"a".repeat(43)}`)).toEqual({ kind: "secret", secret: `tg-${"a".repeat(43)}` });
		expect(readPresentedKey(`tg-${"a".repeat(42)}`)).toEqual({ kind: "malformed" });
	});

	test.each([
		"",
		"sk-proj-1",
		`tga-${"a".repeat(43)}`,
		`tg-${"a".repeat(42)}'`,
		`tg-${"a".repeat(43)}\n`,
		"tgc_key_0123456789abcdef.e30.short",
		`tgc_adm_0123456789abcdef.e30.${"a".repeat(86)}`,
	])("%j is no key", (text) => {
		expect(readPresentedKey(text)).toEqual({ kind: "malformed" });
	});

	test("a child key names its parent and what was signed", () => {
		const text = `tgc_key_0123456789abcdef.e30.${"a".repeat(86)}`;
		expect(readPresentedKey(text)).toEqual({
			kind: "child",
			parentKeyId: "key_0123456789abcdef",
			signed: "tgc_key_0123456789abcdef.e30",
			payloadText: "e30",
			signatureText: "a".repeat(86),
		});
	});
});

describe("payload of a child key", () => {
	test("keeps the attribution it names", () => {
		expect(payload({ user: "u1", feature: "search", environment: "prod", exp: 5 })).toEqual({ user: "u1", feature: "search", environment: "prod", exp: 5 });
	});

	test.each([
		null,
		[],
		"x",
		{},
		{ exp: "5" },
		{ exp: 1.5 },
		{ exp: -1 },
		{ exp: 5, team: "other" },
		{ exp: 5, user: 7 },
		{ exp: 5, user: "" },
		{ exp: 5, user: "a\u0000b" },
	])("%j is refused whole", (json) => {
		expect(payload(json)).toBeUndefined();
	});

	test("text that is no JSON is refused", () => {
		expect(parseChildKeyPayload("{")).toBeUndefined();
	});
});

describe("life of a key", () => {
	test("revoked comes before expired", () => {
		expect(decideKeyLife({ ...parent, isRevoked: true, expiresInMs: -1 })?.code).toBe("key.revoked");
	});

	test("a key ends at the millisecond it says", () => {
		expect(decideKeyLife({ ...parent, expiresInMs: 0 })?.code).toBe("key.expired");
		expect(decideKeyLife({ ...parent, expiresInMs: 1 })).toBeUndefined();
	});
});

describe("a child key", () => {
	test("ends with its parent", () => {
		expect(decideChildKey({ ...parent, isRevoked: true }, { exp: 1 }, 1_000)?.code).toBe("key.revoked");
		expect(decideChildKey({ ...parent, expiresInMs: -5 }, { exp: 1 }, 1_000)?.code).toBe("key.expired");
	});

	test("is short-lived", () => {
		expect(decideChildKey(parent, { exp: 1 }, 0)?.code).toBe("key.expired");
		expect(decideChildKey(parent, { exp: 1 }, CHILD_KEY_TTL_MS_MAX)).toBeUndefined();
		expect(decideChildKey(parent, { exp: 1 }, CHILD_KEY_TTL_MS_MAX + 1)?.code).toBe("key.invalid");
	});

	test.each([
		["user", "userId"],
		["feature", "feature"],
		["environment", "environment"],
	] as const)("cannot change the %s its parent fixes", (claim, fixed) => {
		expect(decideChildKey({ ...parent, [fixed]: "a" }, { exp: 1, [claim]: "b" }, 1_000)?.code).toBe("key.scope");
		expect(decideChildKey({ ...parent, [fixed]: "a" }, { exp: 1, [claim]: "a" }, 1_000)).toBeUndefined();
		expect(decideChildKey(parent, { exp: 1, [claim]: "b" }, 1_000)).toBeUndefined();
	});
});

test("attribution values are short printable text", () => {
	expect(isAttributionValue("Ünïcode user@example.com")).toBe(true);
	for (const value of ["", " a", "a ", "a\nb", "a\u0000", "\ud800", "x".repeat(129)]) expect(isAttributionValue(value)).toBe(false);
});
