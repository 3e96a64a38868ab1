import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

const read = (name: string): string => readFileSync(path.join(PROJECT_FOLDER, "docs", name), "utf8");
const testsNamedIn = (text: string): string[] => [...text.matchAll(/\]\(\.\.\/(test\/[^)]+)\)/g)].map((match) => match[1] ?? "");

/** A row of a table of promises: a sentence, and the tests that prove it. */
function promisesWithoutProof(text: string): string[] {
	const rows = text.split("\n").filter((line) => /^\| (?!promise |---)/.test(line));
	return rows.filter((row) => {
		const [promise = "", ...proof] = row.slice(2, -2).split(" | ");
		const tests = testsNamedIn(proof.join(" | "));
		return !promise.endsWith(".") || tests.length === 0 || tests.some((file) => !existsSync(path.join(PROJECT_FOLDER, file)));
	});
}

test("every promise of docs/reliability.md is a sentence with a test that exists", () => {
	const text = read("reliability.md");
	expect(testsNamedIn(text).length).toBeGreaterThan(20);
	expect(promisesWithoutProof(text)).toEqual([]);
});

test("every test that docs/operations.md names exists and says so of itself", () => {
	const named = testsNamedIn(read("operations.md"));
	expect(named.length).toBeGreaterThan(4);
	for (const file of named.filter((name) => name.includes("/operations/")))
		expect(readFileSync(path.join(PROJECT_FOLDER, file), "utf8")).toContain("docs/operations.md");
});

test("a promise without a test, or with one that is gone, is seen", () => {
	expect(promisesWithoutProof("| It holds. | [a](../test/no-such.test.ts) |")).toHaveLength(1);
	expect(promisesWithoutProof("| It holds. | nothing |")).toHaveLength(1);
	expect(promisesWithoutProof("| It holds. | [a](../test/architecture/promises.test.ts) |")).toEqual([]);
});
