import { describe, expect, it } from "vitest";
import { applyEdit } from "#test/mutants/mutant.ts";
import { findNotGreen, judgeMutant, type TestResult } from "../../../scripts/mutants/verdict.ts";

const result = (title: string, status: string, failure?: string): TestResult => ({ title, status, failureMessages: failure === undefined ? [] : [failure] });
const judge = (...results: readonly TestResult[]) => judgeMutant({ titles: ["finds it", "finds it too"], redBy: "duplicate key" }, results);
const GREEN = result("finds it too", "passed");

describe("a mutant", () => {
	it.each(["AssertionError: expected 1 to be 2\n    at test.ts", 'Error: promise resolved "1" instead of rejecting', "error: duplicate key value"])(
		"is found by a failed expectation or by what was named: %s",
		(failure) => {
			expect(judge(GREEN, result("finds it", "failed", failure))).toEqual({ kind: "red", by: "finds it" });
		},
	);

	it("survives where all its tests pass, whatever others do", () => {
		expect(judge(GREEN, result("finds it", "passed"), result("another", "failed", "AssertionError: no"))).toEqual({ kind: "survived" });
	});

	it("proves nothing where a test did not run, or failed by something else", () => {
		expect(judgeMutant({ titles: ["finds it"] }, undefined)).toMatchObject({ kind: "broken", why: "did not run: finds it" });
		expect(judge(GREEN)).toMatchObject({ kind: "broken" });
		expect(judge(GREEN, result("finds it", "skipped"))).toMatchObject({ kind: "broken" });
		for (const failure of ["SyntaxError: Unexpected token", "ReferenceError: now is not defined", "Error: Test timed out in 60000ms."])
			expect(judge(GREEN, result("finds it", "failed", failure))).toMatchObject({ kind: "broken", why: expect.stringContaining(failure) });
	});
});

it("before any mutant each of its tests has run and passed", () => {
	expect(findNotGreen(["a", "b"], [result("a", "passed"), result("b", "passed")])).toEqual([]);
	expect(findNotGreen(["a", "b", "c"], [result("a", "passed"), result("a", "failed"), result("b", "skipped")])).toEqual(["a", "b", "c"]);
	expect(findNotGreen(["a"], undefined)).toEqual(["a"]);
});

describe("an edit", () => {
	const SOURCE = "CREATE FUNCTION a() AS $$ x $$;\nCREATE FUNCTION b() AS $$ x $$;\n";

	it("is made in its one place", () => {
		expect(applyEdit("let a = 1;", { from: "1", to: "$&" })).toBe("let a = $&;");
		expect(applyEdit(SOURCE, { within: "FUNCTION b(", from: "x", to: "y", also: "DROP b" })).toBe(
			"CREATE FUNCTION a() AS $$ x $$;\nCREATE FUNCTION b() AS $$ y $$;\n\nDROP b;\n",
		);
	});

	it("that has no place, several, or no effect is an error", () => {
		expect(() => applyEdit("a", { from: "b", to: "c" })).toThrow("found 0 times");
		expect(() => applyEdit("aa", { from: "a", to: "c" })).toThrow("found 2 times");
		expect(() => applyEdit(SOURCE, { from: "x", to: "y" })).toThrow("found 2 times");
		expect(() => applyEdit("a", { from: "a", to: "a" })).toThrow("changes nothing");
	});
});
