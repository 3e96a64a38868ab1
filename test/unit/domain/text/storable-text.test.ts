import { describe, expect, test } from "vitest";
import { findUnstorableText, isStorableText, storableTextProblem } from "#domain/text/storable-text.ts";

describe("text that outlives a request", () => {
	test.each(["", "ann", "Ännchen 안나 🙂", "a|b", "x".repeat(200)])("%j can be stored", (text) => expect(isStorableText(text)).toBe(true));

	test.each(["\u0000", "a\nb", "\u007f", "\u0085", "ann\ud800", "\udc00ann"])("%j cannot", (text) => expect(isStorableText(text)).toBe(false));

	test("length and kind are part of the rule", () => {
		const bounds = { minLength: 1, maxLength: 3 };
		expect([undefined, 5, "", "four"].map((value) => storableTextProblem(value, bounds))).toEqual(Array(4).fill("must be text of 1 to 3 characters"));
		expect(storableTextProblem("abc", bounds)).toBeUndefined();
	});

	test("is found anywhere in a JSON value, by its path", () => {
		expect(findUnstorableText({ a: [1, null, { b: "ok" }] })).toBeUndefined();
		expect(findUnstorableText({ a: [1, { b: "x\u0000" }] })).toBe("a.1.b");
		expect(findUnstorableText({ a: { "b\ud800": 1 } })).toBe("a");
		const deep = JSON.parse(`${"[".repeat(100_000)}"\\u0000"${"]".repeat(100_000)}`);
		expect(findUnstorableText(deep)).toMatch(/^0\.0\.0/);
	});
});
