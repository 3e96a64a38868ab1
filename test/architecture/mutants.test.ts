import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { applyEdit } from "#test/mutants/mutant.ts";
import { MUTANTS } from "#test/mutants/table.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

const read = (file: string): string => readFileSync(path.join(PROJECT_FOLDER, file), "utf8");

test.each(MUTANTS)("the edit that takes out the rule that $rule still has exactly one place", (mutant) => {
	expect(applyEdit(read(mutant.file), mutant)).not.toBe(read(mutant.file));
});

/** As titles stand in the source: as they are, or with what fills them in later. */
const isTitleIn = (text: string, title: string): boolean => {
	if (text.includes(title)) return true;
	return [...text.matchAll(/"([^"\n]*)%[sij]([^"\n%]*)"/g)].some(([, start = "", end = ""]) => title.startsWith(start) && title.endsWith(end));
};

test("each rule stands once, and the tests that must notice exist", () => {
	const rules = MUTANTS.map(({ rule }) => rule);
	expect(rules).toEqual([...new Set(rules)]);
	// Its checks are named by the table itself.
	const others = MUTANTS.filter((mutant) => !read(mutant.test).includes("SQL_CHECKS"));
	expect(others.flatMap(({ test: file, titles }) => titles.filter((title) => !isTitleIn(read(file), title)).map((title) => `${file}: ${title}`))).toEqual([]);
});
