import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAnswerCipher, readOrCreateSecret } from "#activities/idempotency/answer-cipher.ts";
import { decodeStoredAnswer, encodeStoredAnswer } from "#activities/idempotency/stored-answer.ts";

const SECRET = randomBytes(32);
const PLAIN = Buffer.from("what the model said");

describe("a sealed answer", () => {
	const cipher = createAnswerCipher(SECRET);

	test("opens with the same secret for the same record, in another process too", () => {
		expect(createAnswerCipher(Buffer.from(SECRET)).unseal(cipher.seal(PLAIN, "record"), "record")).toEqual(PLAIN);
		expect(cipher.unseal(cipher.seal(Buffer.alloc(0), "record"), "record")).toEqual(Buffer.alloc(0));
	});

	test("shows nothing of what it holds and never looks the same twice", () => {
		const sealed = cipher.seal(PLAIN, "record");
		expect(sealed.includes(PLAIN)).toBe(false);
		expect(cipher.seal(PLAIN, "record").equals(sealed)).toBe(false);
	});

	test("does not open with another secret, for another record, or when a single bit changed", () => {
		const sealed = cipher.seal(PLAIN, "record");
		expect(createAnswerCipher(randomBytes(32)).unseal(sealed, "record")).toBeUndefined();
		expect(cipher.unseal(sealed, "other record")).toBeUndefined();
		for (let index = 0; index < sealed.length; index += 1) {
			const changed = Buffer.from(sealed);
			changed[index] = (changed[index] ?? 0) ^ 1;
			expect(cipher.unseal(changed, "record")).toBeUndefined();
		}
		expect(cipher.unseal(sealed.subarray(0, 20), "record")).toBeUndefined();
	});
});

test("an answer survives being stored, newlines and bytes that are no text included", () => {
	const answer = {
		requestId: "req_1",
		status: 200,
		headers: { "content-type": "text/event-stream" },
		model: "gpt-4o",
		clampedOutputTokens: undefined,
		isStream: true,
		body: Buffer.from([10, 0, 255, 10, 13]),
	};
	expect(decodeStoredAnswer(encodeStoredAnswer(answer))).toEqual(answer);
	expect(decodeStoredAnswer(encodeStoredAnswer({ ...answer, clampedOutputTokens: 256 })).clampedOutputTokens).toBe(256);
});

describe("the secret of a home", () => {
	let folder: string;

	beforeEach(() => {
		folder = mkdtempSync(path.join(tmpdir(), "tollgate-secret-"));
	});
	afterEach(() => rmSync(folder, { recursive: true, force: true }));

	test("is made once, in a file only its owner reads, and found again", () => {
		const file = path.join(folder, "home", "idempotency-key");
		const secret = readOrCreateSecret(file);
		expect(secret).toHaveLength(32);
		expect(statSync(file).mode & 0o777).toBe(0o600);
		expect(readOrCreateSecret(file)).toEqual(secret);
		expect(readdirSync(path.dirname(file))).toEqual(["idempotency-key"]);
	});

	test("differs from home to home", () => {
		expect(readOrCreateSecret(path.join(folder, "a"))).not.toEqual(readOrCreateSecret(path.join(folder, "b")));
	});

	test("is never replaced where the file holds something else", () => {
		const file = path.join(folder, "idempotency-key");
		writeFileSync(file, "not a key");
		expect(() => readOrCreateSecret(file)).toThrow(/32 bytes as base64/);
		expect(readFileSync(file, "utf8")).toBe("not a key");
	});
});
