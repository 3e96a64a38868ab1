import { describe, expect, test } from "vitest";
import { RequestScanner, type ScannedRequest } from "#domain/batching/scan-requests.ts";

function scan(text: string, requestBytesMax = 1_000): ScannedRequest[] {
	const bytes = Buffer.from(text);
	const whole = new RequestScanner({ requestBytesMax });
	const found = [...whole.push(bytes), ...whole.end()];
	const byByte = new RequestScanner({ requestBytesMax });
	expect([...[...bytes].flatMap((byte) => [...byByte.push(Buffer.of(byte))]), ...byByte.end()]).toEqual(found);
	return found;
}

/** `n text` of requests, `n field: message` of what is wrong. */
function told(text: string): string[] {
	return scan(text).map((found) =>
		found.kind === "request" ? `${found.n} ${found.bytes}` : found.kind === "too_long" ? `${found.n} too long` : `${found.n} ${found.field}: ${found.message}`,
	);
}

describe("the body of a message batch", () => {
	test("is cut into its requests, each as it was written", () => {
		expect(told(' { "requests" : [ {"a":"}]\\"{"} ,{"b":[{"c":{}}]}\t] } ')).toEqual(['1 {"a":"}]\\"{"}', '2 {"b":[{"c":{}}]}']);
		expect(told('{"re\\u0071uests":[{}]}')).toEqual(["1 {}"]);
	});

	test("has requests on one line each, whatever their layout was", () => {
		expect(told('{"requests":[{\r\n\t"a": "x\\ny"\n}]}')).toEqual(['1 {  \t"a": "x\\ny" }']);
	});

	test("may be empty of requests", () => {
		expect(told('{"requests":[]}')).toEqual([]);
	});

	test("keeps nothing of a request that is too long, and goes on behind it", () => {
		expect(scan('{"requests":[{"a":"0123456789"},{}]}', 12)).toEqual([
			{ kind: "too_long", n: 1 },
			{ kind: "request", n: 2, bytes: Buffer.from("{}") },
		]);
	});

	test.each([
		["nothing", "", "null null: the body ends too early"],
		["no object", "[]", "null null: the body must be one JSON object in UTF-8 without a byte order mark"],
		["a byte order mark", '\ufeff{"requests":[]}', "null null: the body must be one JSON object in UTF-8 without a byte order mark"],
		["no requests", "{}", "null requests: must be given"],
		["another field", '{"model":"m","requests":[]}', "null model: is no field of a message batch; there is requests"],
		["another field behind", '{"requests":[],"model":"m"}', "null model: is no field of a message batch; there is requests"],
		["requests twice", '{"requests":[],"requests":[{}]}', "null requests: stands twice; parsers differ on which one counts"],
		["a very long field", `{"${"k".repeat(300)}":1}`, "null null: is no field of a message batch; there is requests"],
		["no colon", '{"requests"[]}', "null null: a colon must follow the name of a field"],
		["no list", '{"requests":{}}', "null requests: must be a list of requests"],
		["something behind the list", '{"requests":[]]', "null null: the body must end after the requests"],
		["something behind the end", '{"requests":[]}{', "null null: nothing may follow the end of the body"],
		["a body that is cut in the list", '{"requests":[', "null null: the body ends too early"],
		["a body that is cut behind the list", '{"requests":[]', "null null: the body ends too early"],
	])("is refused: %s", (_name, text, problem) => {
		expect(told(text)).toEqual([problem]);
	});

	test.each([
		["is no object", '{"requests":[{},7]}', "2 null: must be an object"],
		["is missing behind a comma", '{"requests":[{},]}', "2 null: must be an object"],
		["is followed by no comma", '{"requests":[{}{}]}', "1 null: a comma or the end of the list must follow a request"],
		["is cut", '{"requests":[{},{"a":1', "2 null: the body ends too early"],
		["is cut behind a comma", '{"requests":[{},', "2 null: the body ends too early"],
		["closes what it did not open", '{"requests":[{},{"a":[}]}', "2 null: is not valid JSON: a bracket closes what it did not open"],
		["has a line break in a string", '{"requests":[{},{"a":"x\ny"}]}', "2 null: is not valid JSON: a control character stands in a string"],
		["nests too deep", `{"requests":[{},{"a":${"[".repeat(64)}`, "2 null: nests deeper than 64 levels"],
	])("names the request that %s", (_name, text, problem) => {
		expect(told(text).filter((line) => line.includes(": "))).toEqual([problem]);
	});

	test("says nothing more after the first thing that is wrong", () => {
		const scanner = new RequestScanner({ requestBytesMax: 100 });
		expect([...scanner.push(Buffer.from('{"requests":[7,{}]}'))]).toHaveLength(1);
		expect([...scanner.push(Buffer.from("{}")), ...scanner.end()]).toEqual([]);
	});
});
