import { describe, expect, test } from "vitest";
import { readOpaAnswer } from "#activities/decisions/opa/answer.ts";
import { isStorableText } from "#domain/text/storable-text.ts";

function read(answer: unknown, status = 200) {
	return readOpaAnswer(status, JSON.stringify(answer));
}

test.each([
	[{ result: true }],
	[{ result: { allow: true } }],
	[{ result: { allow: true, reasons: [], is_weekend: "another rule of the package" } }],
	[{ decision_id: "4ca636c1", result: true, metrics: { timer_server_handler_ns: 1 } }],
])("%j allows", (answer) => {
	expect(read(answer)).toEqual({ kind: "allowed" });
});

test.each([
	[{ result: false }, []],
	[{ result: { allow: false } }, []],
	[{ result: { allow: false, reasons: ["one", "two"] } }, ["one", "two"]],
	[{ result: { reasons: ["no rule allows it"] } }, ["no rule allows it"]],
])("%j denies", (answer, reasons) => {
	expect(read(answer)).toEqual({ kind: "denied", reasons });
});

test.each([[{}], [{ decision_id: "4ca636c1" }], [{ result: {} }], [{ result: { is_weekend: true } }]])("%j is undefined: it denies, and says so", (answer) => {
	expect(read(answer)).toEqual({ kind: "denied", reasons: ["The policy has no rule that allows this call."] });
});

test.each([
	"null",
	"[]",
	"true",
	'"allow"',
	"",
	"{",
	"<html>",
	'{"result":null}',
	'{"result":1}',
	'{"result":"true"}',
	'{"result":[true]}',
	'{"result":{"allow":"true"}}',
	'{"result":{"allow":1}}',
	'{"result":{"allow":null}}',
	'{"result":{"allow":true,"reasons":"none"}}',
	'{"result":{"allow":false,"reasons":[1]}}',
	'{"result":{"allow":false,"reasons":{"a":true}}}',
])("%s is no decision", (text) => {
	expect(readOpaAnswer(200, text).kind).toBe("undecided");
});

test.each([201, 204, 302, 400, 401, 404, 500])("status %i is no decision, whatever the answer says", (status) => {
	expect(read({ result: true }, status).kind).toBe("undecided");
});

describe("reasons", () => {
	test("are cleaned of what cannot be stored or would break a line", () => {
		const decision = read({ result: { allow: false, reasons: ["a\u0000b\r\nc", "half \ud800 pair", " \u0007 ", ""] } });
		if (decision.kind !== "denied") throw new Error(decision.kind);
		expect(decision.reasons).toEqual(["a b c", "half \ufffd pair"]);
		expect(decision.reasons.every(isStorableText)).toBe(true);
	});

	test("are at most eight of at most 200 units, never cut inside a character", () => {
		const decision = read({ result: { allow: false, reasons: [`${"x".repeat(199)}😀`, ...Array.from({ length: 20 }, (_, index) => `reason ${index}`)] } });
		if (decision.kind !== "denied") throw new Error(decision.kind);
		expect(decision.reasons).toHaveLength(8);
		expect(decision.reasons[0]).toBe("x".repeat(199));
	});
});
