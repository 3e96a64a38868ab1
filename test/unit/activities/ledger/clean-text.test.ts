import fc from "fast-check";
import { expect, test } from "vitest";
import { cleanText, plainText, stringifyClean } from "#activities/ledger/clean-text.ts";

test("NUL and lone surrogates are replaced, pairs are kept", () => {
	expect(cleanText("a\u0000b\ud800c\udc00d😀")).toBe("a\uFFFDb\uFFFDc\uFFFDd😀");
	expect(stringifyClean({ "k\u0000": ["\udfff", { deep: "\u0000" }], n: 1, none: null, tab: "\t" })).toBe(
		JSON.stringify({ "k\uFFFD": ["\uFFFD", { deep: "\uFFFD" }], n: 1, none: null, tab: "\t" }),
	);
});

test("text is cut to the length and never inside a pair", () => {
	expect(cleanText("abcdef", 3)).toBe("abc");
	expect(cleanText("ab😀", 3)).toBe("ab");
	fc.assert(
		fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 0, max: 20 }), (text, length) => {
			const clean = cleanText(text, length);
			expect(clean.length).toBeLessThanOrEqual(length);
			expect(clean.isWellFormed()).toBe(true);
			expect(clean).not.toContain("\u0000");
		}),
	);
});

test("clean values are written as JSON.stringify writes them", () => {
	fc.assert(
		fc.property(fc.jsonValue(), (value) => {
			const text = stringifyClean(value);
			expect(text.includes("\\u0000")).toBe(false);
			if (!JSON.stringify(value).includes("\\u")) expect(text).toBe(JSON.stringify(value));
		}),
	);
});

test("plain text is visible ASCII", () => {
	expect(plainText("a\u0000é\n😀b", 5)).toBe("a????");
});
