import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { LAYER_FOLDERS, listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

// A style guide without a check drifts; the aims are lower (docs/architecture.md), these are the walls.
const FILE_LINES = 400;
const TEST_FILE_LINES = 600;
const FUNCTION_LINES = 70;
const ACTIVITY_FUNCTION_LINES = 50;
const PARAMETERS = 4;
const ANONYMOUS = "function";

type Measured = { readonly name: string; readonly lineCount: number; readonly parameterCount: number };

/** Written from the routes; nobody reads it in one piece. */
const GENERATED = "console/api/schema.ts";

const files = listProjectFiles([".ts", ".tsx", ".mjs"]).filter((file) => file !== GENERATED && LAYER_FOLDERS.some((folder) => file.startsWith(`${folder}/`)));

function read(file: string): string {
	return readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
}

function measureFunctions(source: ts.SourceFile): Measured[] {
	const found: Measured[] = [];
	const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
	const visit = (node: ts.Node): void => {
		if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
			const name = `${node.name?.getText(source) ?? ANONYMOUS} at line ${lineOf(node.getStart(source)) + 1}`;
			found.push({ name, lineCount: lineOf(node.end) - lineOf(node.getStart(source)) + 1, parameterCount: node.parameters.length });
		}
		ts.forEachChild(node, visit);
	};
	visit(source);
	return found;
}

function parse(file: string, text: string): ts.SourceFile {
	return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, file.endsWith(".tsx") ? ts.ScriptKind.TSX : ts.ScriptKind.TS);
}

function complain(file: string): string[] {
	const text = read(file);
	const isTest = file.startsWith("test/");
	const longestFile = isTest ? TEST_FILE_LINES : FILE_LINES;
	// The callbacks of `test` and `describe` are lists of cases, not functions to be read in one piece.
	const longestFunction = isTest ? TEST_FILE_LINES : /^activities\/.*activities\.ts$/.test(file) ? ACTIVITY_FUNCTION_LINES : FUNCTION_LINES;
	const lineCount = text.trimEnd().split("\n").length;
	return [
		...(lineCount > longestFile ? [`${file} has ${lineCount} lines, more than ${longestFile}`] : []),
		...measureFunctions(parse(file, text)).flatMap((measured) => [
			...(measured.lineCount > longestFunction ? [`${file}: ${measured.name} has ${measured.lineCount} lines, more than ${longestFunction}`] : []),
			// A row of a table of cases arrives as parameters.
			...(measured.parameterCount > PARAMETERS && !(isTest && measured.name.startsWith(`${ANONYMOUS} `))
				? [`${file}: ${measured.name} has ${measured.parameterCount} parameters, more than ${PARAMETERS}`]
				: []),
		]),
	];
}

test("files, functions and parameter lists stay small", () => {
	expect(files.length).toBeGreaterThan(50);
	expect(files.flatMap(complain)).toEqual([]);
});

test("migrations stay small", () => {
	const migrations = listProjectFiles([".sql"]).filter((file) => file.startsWith("migrations/"));
	const lineCounts = migrations.map((file) => ({ file, lineCount: read(file).trimEnd().split("\n").length }));
	expect(migrations.length).toBeGreaterThan(5);
	expect(lineCounts.filter(({ lineCount }) => lineCount > FILE_LINES)).toEqual([]);
});

test("a long function and a long parameter list are seen", () => {
	const text = `const f = (a, b, c, d, e) => {\n${"a();\n".repeat(80)}};`;
	expect(measureFunctions(parse("x.ts", text))).toEqual([{ name: "function at line 1", lineCount: 82, parameterCount: 5 }]);
});
