import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { runCommandLine } from "#clients/command-line/run.ts";
import { ADMINISTRATION_ROUTES } from "#gateway/administration/routes.ts";
import { listCommands, REFERENCE_DOCS } from "../../../scripts/write-reference-docs.ts";

const read = (name: string): string => readFileSync(new URL(`../../../docs/${name}.md`, import.meta.url), "utf8");

test("the pages say what the code says (run scripts/write-reference-docs.ts)", () => {
	for (const { file, render } of REFERENCE_DOCS) {
		const page = readFileSync(file, "utf8");
		expect(render(page)).toBe(page);
	}
});

describe("docs/command-line.md", () => {
	test("has every command under its own heading, with an example of that command", () => {
		const sections = read("command-line").split(/^### /m).slice(1);
		const commands = listCommands().map(({ words }) => words.join(" "));
		expect(commands.length).toBeGreaterThan(20);
		expect(sections.map((section) => /^`tollgate ([^<[`]+?) ?([<[][^`]*)?`/.exec(section)?.[1])).toEqual(commands);
		commands.forEach((command, index) => {
			expect(sections[index]).toMatch(new RegExp(`\`\`\`sh\\n.*npx tollgate ${command}`));
		});
	});

	test("names the commands that scripts rely on", () => {
		const commands = listCommands().map(({ words }) => words.join(" "));
		const promised = ["team create", "key create", "key rotate", "key revoke", "key list", "key derive", "budget set", "budget show", "spend", "explain"];
		expect(commands).toEqual(expect.arrayContaining([...promised, "price show", "price set", "price check", "lease list", "lease resolve", "verify"]));
	});

	test("has the exit codes that are used", async () => {
		const terminal = { writeLine: () => undefined, writeError: () => undefined, environment: {} };
		const home = ["--home", "/nowhere/at/all"];
		const seen = await Promise.all(
			[["--help"], ["team", "create"], ["team", "list", ...home], ["verify", ...home]].map((words) => runCommandLine(words, terminal)),
		);
		expect(seen).toEqual([0, 2, 3, 2]);
		for (const code of [0, 1, 2, 3]) expect(read("command-line")).toMatch(new RegExp(`^\\| ${code} \\| \\w`, "m"));
	});
});

test("docs/administration.md has every route", () => {
	const page = read("administration");
	expect(ADMINISTRATION_ROUTES.length).toBeGreaterThan(20);
	for (const route of ADMINISTRATION_ROUTES) expect(page).toContain(`| \`${route.method} /admin/v1${route.path}\` | ${route.summary} |`);
});
