import { describe, expect, it } from "vitest";
import { readJson } from "#domain/text/read-json.ts";

describe("a key in escapes", () => {
	it.each([
		["\\n", "\n"],
		["\\u006e", "n"],
		["\\/", "/"],
		['\\"', '"'],
	])("%s is read as written after a lone backslash", (written, key) => {
		JSON.parse('{"a":1,"\\\\":1}');
		expect(readJson(`{"a":1,"${written}":1}`)).toEqual({ a: 1, [key]: 1 });
	});

	it("is read as written at any depth, and behind strings that are full of escapes", () => {
		const bodyWith = (key: string) => `{"text":"\\"a\\":\\\\","list":[{"a":1,"${key}":1}]}`;
		JSON.parse(bodyWith("\\\\"));
		expect(readJson(bodyWith("\\n"))).toEqual({ text: '"a":\\', list: [{ a: 1, "\n": 1 }] });
	});

	it("__proto__ among them is a field like any other", () => {
		const read = readJson('{"__pr\\u006fto__":{"isAdmin":true}}');
		expect(Object.keys(read as object)).toEqual(["__proto__"]);
		expect((read as { isAdmin?: boolean }).isAdmin).toBeUndefined();
	});

	it("counts once, the last time, where it stands twice", () => {
		expect(readJson('{"n":1,"\\u006e":2}')).toEqual({ n: 2 });
	});
});

it("500 levels are read beside a key in escapes; whoever nests deeper is told, and the stack holds", () => {
	const nested = (levels: number) => `{"\\n":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
	expect(readJson(nested(500))).toHaveProperty(["\n"]);
	expect(() => readJson(nested(501))).toThrow(SyntaxError);
	expect(() => readJson(nested(1_000_000))).toThrow(SyntaxError);
});

it.each(['{"\\n":1', '{"\\n" 1}', '{"\\n":1,}', '{"\\n":1}x', '{"\\n":01}', '{"\\n":tru}', '{"\\n":"\t"}', '{"\\x":1}', '{"\\n":[1 2]}', '{,"\\n":1}'])(
	"%s is no JSON",
	(text) => {
		expect(() => readJson(text)).toThrow(SyntaxError);
	},
);
