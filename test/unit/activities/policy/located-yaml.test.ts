import { describe, expect, test } from "vitest";
import { readYaml } from "#activities/policy/located-yaml.ts";
import { readPolicyFile } from "#activities/policy/read-policy-file.ts";

function problems(text: string): string[] {
	return readYaml(text).mistakes.map(({ place, path, problem }) => `${place.line}:${place.column} ${path}: ${problem}`);
}

describe("where things stand", () => {
	test("every value has its line and column", () => {
		const { root } = readYaml("a: 1\nb:\n  - x\n  - { c: 'two words' }\n");
		expect(root).toMatchObject({
			kind: "map",
			entries: [
				{ name: "a", namePlace: { line: 1, column: 1 }, value: { kind: "text", text: "1", isPlain: true, place: { line: 1, column: 4 } } },
				{
					name: "b",
					value: {
						kind: "list",
						items: [
							{ text: "x", place: { line: 3, column: 5 } },
							{ kind: "map", place: { line: 4, column: 5 } },
						],
					},
				},
			],
		});
	});

	test("an anchor may be followed as often as is needed", () => {
		const { root, mistakes } = readYaml("a: &limits { x: 1 }\nb: *limits\nc: [*limits, *limits]");
		expect(mistakes).toEqual([]);
		expect(root).toMatchObject({
			entries: [{}, { value: { kind: "map", entries: [{ name: "x" }] } }, { value: { items: [{ kind: "map" }, { kind: "map" }] } }],
		});
	});

	test.each([
		["a: 1\na: 2", "2:1 a: stands here twice: line 1 has it too"],
		["a: &x [*x]", "1:8 a[0]: follows an anchor that holds it: anchors in a circle"],
		["a: *x", "1:4 a: follows an anchor that is not above it"],
		["a: !!binary aGk=", "is no YAML: Unresolved tag"],
		["a: !!str x", "1:10 a: has a tag; tags say nothing here"],
		["? [a]\n: 1", "1:3 : holds a name that is no text"],
		["a: [1", "is no YAML"],
		["a: 1\n---\nb: 2", "is no YAML"],
		["%YAML 1.1\n---\na: 1", "1:1 : is YAML 1.1; only 1.2 is read"],
		["\t- a", "is no YAML"],
		["", "1:1 : is empty"],
	])("%j", (text, expected) => {
		expect(problems(text).join("\n")).toContain(expected);
	});

	test.each([
		"a: *CANARY",
		"a: !CANARY b",
		'a: "\\qCANARY"',
		"a: []\n CANARY",
		"a: |CANARY",
		"%CANARY\n---\n",
		"%YAML CANARY\n---\n",
		"a: !!CANARY",
		"a: !x!CANARY y",
	])("a complaint of %j does not repeat it: it may be a secret", (text) => {
		expect(problems(text).length).toBeGreaterThan(0);
		expect(problems(text).join("\n")).not.toContain("CANARY");
	});

	test("what older YAML takes for true, octal or a date stays the text it is", () => {
		expect(readYaml("[yes, 010, 2026-01-01, 1_000, ~]").root).toMatchObject({
			items: ["yes", "010", "2026-01-01", "1_000", "~"].map((text) => ({ text, isPlain: true })),
		});
	});
});

describe("what a hostile file may cost is bounded", () => {
	test("more than 16 MiB is not read", () => {
		expect(problems(`a: ${"x".repeat(1 << 24)}`)).toEqual(["1:1 : is larger than 16 MiB"]);
	});

	test("aliases that expand to more than two million values are refused where they pass it", () => {
		const bomb = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]", ...Array.from({ length: 9 }, (_, index) => `a${index + 1}: &a${index + 1} [${`*a${index},`.repeat(10)}]`)];
		expect(problems(bomb.join("\n"))).toEqual([expect.stringMatching(/^\d:\d+ a\d\[\d\]: makes the file expand to more than 2000000 values$/)]);
	});

	test("nesting ends at a depth no policy needs", () => {
		expect(problems(`${"[".repeat(40)}${"]".repeat(40)}`)).toEqual([expect.stringContaining("is nested deeper than 32 levels")]);
		for (const text of ["[", "{a: ", "- ", "? "]) expect(problems(text.repeat(100_000)).join("\n")).toContain("is nested too deep to be read");
		expect(Error.stackTraceLimit).toBeGreaterThan(0);
	});

	test("of a file that is no YAML the first hundred complaints are told", () => {
		expect(problems(`[${",".repeat(10_000)}]`)).toHaveLength(100);
	});

	test("forty thousand names, or mistakes, are no more work than their number", () => {
		const lines = Array.from({ length: 40_000 }, (_, index) => `  t${index}: { x: 1 }`);
		const result = readPolicyFile(["version: 1", "teams:", ...lines].join("\n"), { fileName: "f" });
		expect(result.kind === "refused" && result.mistakes.length).toBe(40_000);
	});
});
