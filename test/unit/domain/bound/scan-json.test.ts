import { describe, expect, it } from "vitest";
import { NESTING_LEVELS_MAX, type Scan, type ScanResult, scanJson, scanMembers } from "#domain/bound/scan-json.ts";

function scan(text: string | Buffer): Scan {
	const result = scanJson(Buffer.from(text));
	if (result.kind !== "scanned") throw new Error(`refused: ${result.problem.message}`);
	return result.scan;
}

function refusal(text: string | Buffer): Extract<ScanResult, { kind: "refused" }>["problem"] {
	const result = scanJson(Buffer.from(text));
	return result.kind === "refused" ? result.problem : expect.fail("was not refused");
}

describe("members", () => {
	it("finds the byte ranges of keys and values", () => {
		const text = '{ "a" : 1 ,"é":[{"b":"}"}] , "c":"x\\"," }';
		const bytes = Buffer.from(text);
		const values = scan(text).members.map((member) => [member.key, bytes.toString("utf8", member.valueStart, member.valueEnd)]);
		expect(values).toEqual([
			["a", "1"],
			["é", '[{"b":"}"}]'],
			["c", '"x\\","'],
		]);
		expect(bytes[scan(text).members[1]?.keyStart ?? 0]).toBe(0x22);
	});

	it("decodes escapes in keys", () => {
		expect(scan('{"m\\u006fdel":1,"a\\nb":2}').members.map((member) => member.key)).toEqual(["model", "a\nb"]);
	});

	it("reads the members of a nested object at their places in the body", () => {
		const bytes = Buffer.from('{"x":{"y": 12 }}');
		const [outer] = scan(bytes).members;
		const [inner] = scanMembers(bytes, outer?.valueStart ?? 0, outer?.valueEnd ?? 0);
		expect(bytes.toString("utf8", inner?.valueStart, inner?.valueEnd)).toBe("12");
	});
});

describe("what two parsers would read differently", () => {
	it.each(['{"a":1,"a":2}', '{"model":"x","m\\u006fdel":"y"}'])("refuses a top-level key that stands twice: %s", (text) => {
		expect(refusal(text).code).toBe("request.duplicate_field");
	});

	it.each([
		'{"messages":[{"type":"text","type":"image_url"}]}',
		'{"messages":[{"type":"text","Type":"image_url"}]}',
		'{"messages":[{"role":"user","content":[{"type":"image_url"}],"content":"x"}]}',
		'{"reasoning":{"mode":"pro","mode":"standard"}}',
		'{"thinking":{"budget_tokens":1024,"budget\\u005ftokens":9999}}',
		'{"tools":[{"max_uses":1,"x":{},"MAX_USES":2}]}',
	])("refuses a nested key that a bound rests on and that stands twice: %s", (text) => {
		expect(refusal(text).code).toBe("request.duplicate_field");
	});

	it.each([
		'{"tools":[{"type":"function","function":{"parameters":{"properties":{"type":{},"Type":{},"TYPE":{}}}}}]}',
		'{"tools":[{"name":"f","input_schema":{"type":"object","type":"object"}}]}',
		'{"messages":[{"content":[{"type":"tool_use","input":{"Content":"a","content":[{"source":1,"Source":2}]}}]}]}',
		'{"response_format":{"json_schema":{"schema":{"a":[[{"mode":1}],{"mode":1,"mode":2}]}}}}',
		'{"metadata":{"file":"a","File":"b"}}',
		'{"a":[{"ar\\u0067uments":{"type":1,"type":2}}]}',
	])("leaves the caller's own data alone: %s", (text) => {
		expect(scan(text).members).toHaveLength(1);
	});

	it.each([
		'{"input":[{"type":"message","content":[],"content":[{"type":"input_image"}]}]}',
		'{"messages":[{"input":"text","content":[{"type":"text","type":"image_url"}]}]}',
		'{"messages":[{"input":{"a":1},"type":"x","type":"y"}]}',
		'{"messages":[{"a":{"input":1},"type":"x","type":"y"}]}',
		'{"messages":[[{"input":1}],[[{"type":"x","type":"y"}]]]}',
		'{"messages":[{"input":[]},{"type":"x","type":"y"}]}',
		'{"metadata":null,"messages":[{"type":"x","type":"y"}]}',
		'{"input":[{"parameters":{"parameters":{}},"content":{"type":"x","type":"y"}}]}',
	])("guards what stands beside it all the same: %s", (text) => {
		expect(refusal(text).code).toBe("request.duplicate_field");
	});

	it("lets the same key stand in different objects", () => {
		expect(scan('{"a":{"type":1,"b":{"type":2}},"c":[{"type":1},{"type":2}],"type":3}').members).toHaveLength(3);
	});
});

describe("refused shapes", () => {
	it.each(["[]", '"x"', "1", "null", "", "   ", '﻿{"a":1}'])("refuses a body that is not one object: %j", (text) => {
		expect(refusal(text).code).toBe("request.invalid");
	});

	it("refuses UTF-16", () => {
		expect(refusal(Buffer.from('{"a":1}', "utf16le").subarray(1)).code).toBe("request.invalid");
	});

	it.each(['{"__proto__":{}}', '{"a":[{"b":{"__proto__":1}}]}', '{"\\u005f_proto__":1}', '{"constructor":1}', '{"prototype":1}'])(
		"refuses prototype keys: %s",
		(text) => {
			expect(refusal(text).code).toBe("request.invalid");
		},
	);

	it("takes a text that only looks like a prototype key", () => {
		expect(scan('{"a":"__proto__","b":["__proto__"]}').members).toHaveLength(2);
	});

	it("accepts 64 levels and refuses 65, mixed or not", () => {
		const nested = (levels: number): string => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
		expect(scan(nested(NESTING_LEVELS_MAX)).members).toHaveLength(1);
		expect(refusal(nested(NESTING_LEVELS_MAX + 1)).message).toContain("64");
		expect(refusal(`{"a":`.repeat(100_000)).message).toContain("64");
	});
});

describe("what the bound needs", () => {
	it("knows how much shorter the text is than its escapes", () => {
		expect(scan('{"a":"\\u0041"}').unicodeEscapeSavingBytes).toBe(5);
		expect(scan('{"a":"\\u00e9"}').unicodeEscapeSavingBytes).toBe(4);
		expect(scan('{"a":"\\u4e2d"}').unicodeEscapeSavingBytes).toBe(3);
		expect(scan('{"a":"\\ud83d\\ude00"}').unicodeEscapeSavingBytes).toBe(8);
		expect(scan('{"a":"\\\\u0041"}').unicodeEscapeSavingBytes).toBe(0);
	});

	it("sees cache_control anywhere, and a ttl that is not short", () => {
		expect(scan('{"a":"cache_control"}')).toMatchObject({ hasCacheControl: false, hasLongCacheTtl: false });
		expect(scan('{"a":[{"cache_control":{"type":"ephemeral"}}]}')).toMatchObject({ hasCacheControl: true, hasLongCacheTtl: false });
		expect(scan('{"cache_control":{"ttl" : "5m"}}')).toMatchObject({ hasCacheControl: true, hasLongCacheTtl: false });
		expect(scan('{"cache_control":{"ttl":"1h"}}').hasLongCacheTtl).toBe(true);
		expect(scan('{"cache_control":{"ttl":"\\u0035m"}}').hasLongCacheTtl).toBe(true);
		const ofATool = { tools: [{ input_schema: { properties: { cache_control: { ttl: "24h" } } } }] };
		expect(scan(JSON.stringify(ofATool))).toMatchObject({ hasCacheControl: false, hasLongCacheTtl: false });
	});

	it("ends on input that is cut anywhere", () => {
		const text = '{"a":"x\\u00e9\\\\","b":[1,{"c":null}],"ttl":"5m"}';
		for (let length = 0; length <= text.length; length += 1) expect(["scanned", "refused"]).toContain(scanJson(Buffer.from(text.slice(0, length))).kind);
	});
});
