import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRedaction } from "#activities/providers/redaction.ts";

const KEY = 'sk-canary/Ω"+=9f3d7c21e5';
const redaction = createRedaction(KEY);

describe("a body", () => {
	test("loses the key as it is, in JSON and in a URL; every other byte stays", () => {
		for (const form of [KEY, JSON.stringify(KEY).slice(1, -1), KEY.replaceAll('"', '\\"').replaceAll("/", "\\/"), encodeURIComponent(KEY)]) {
			const body = Buffer.concat([Buffer.from([0xff, 0x00]), Buffer.from(`key ${form}, again ${form} é`)]);
			expect(redaction.body(body)).toEqual(Buffer.concat([Buffer.from([0xff, 0x00]), Buffer.from("key [redacted], again [redacted] é")]));
		}
		const clean = Buffer.from("clean");
		expect(redaction.body(clean)).toBe(clean);
	});

	test("also loses its base64, wherever in encoded text it stands", () => {
		for (const before of ["", "x", "Bearer ", "Authorization: Bearer "]) {
			for (const encoding of ["base64", "base64url"] as const) {
				const text = redaction.body(Buffer.from(Buffer.from(`${before}${KEY} and more`).toString(encoding))).toString();
				expect(text).toContain("[redacted]");
				expect(Buffer.from(text, encoding).toString("latin1")).not.toContain("canary");
			}
		}
	});
});

test("headers lose it one by one and in lists; without it they are the same object", () => {
	expect(redaction.headers({ "x-request-id": `req ${KEY}`, via: ["a", KEY], server: "s", none: undefined })).toEqual({
		"x-request-id": "req [redacted]",
		via: ["a", "[redacted]"],
		server: "s",
		none: undefined,
	});
	const clean = { server: "s", none: undefined };
	expect(redaction.headers(clean)).toBe(clean);
});

test("without a key nothing is touched", () => {
	const body = Buffer.from("anything");
	expect(createRedaction("").body(body)).toBe(body);
});

describe("a stream", () => {
	const piece = fc.constantFrom(KEY, KEY.slice(0, 5), KEY.slice(0, -1), KEY.slice(3), "s", "sk-", "é", "\n\n", "data: ");
	test("loses the key however it is sliced, and nothing else", () => {
		fc.assert(
			fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(300), { maxLength: 12 }), (pieces, cuts) => {
				const bytes = Buffer.from(pieces.join(""));
				const at = [0, ...[...new Set(cuts)].filter((cut) => cut < bytes.length).sort((left, right) => left - right), bytes.length];
				const stream = redaction.stream();
				const out = at.slice(1).map((end, index) => stream.push(bytes.subarray(at[index], end)));
				expect(Buffer.concat([...out, stream.end()]).toString()).toBe(bytes.toString().replaceAll(KEY, "[redacted]"));
			}),
			{ numRuns: 2_000 },
		);
	});

	test("of which no byte can begin the key passes at once", () => {
		const stream = redaction.stream();
		const chunk = Buffer.from("data: {}\n\n");
		expect(stream.push(chunk)).toBe(chunk);
		expect(stream.end()).toHaveLength(0);
	});
});
