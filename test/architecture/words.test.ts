import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { LAYER_FOLDERS, listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

const files = listProjectFiles([".ts", ".tsx", ".mjs"]).filter((file) => LAYER_FOLDERS.some((folder) => file.startsWith(`${folder}/`)));
const pureFiles = files.filter((file) => /^(domain|workflows)\//.test(file));

/** A workflow must come to the same decision when it is replayed, and a pure rule whenever it is asked. */
const IMPURE_GLOBALS = new Set([
	"process",
	"console",
	"fetch",
	"setTimeout",
	"setInterval",
	"setImmediate",
	"performance",
	"crypto",
	"globalThis",
	"require",
	"WeakRef",
	"FinalizationRegistry",
]);
/** Called in workflows these are the SDK's deterministic ones; a pure rule has its time and ids handed in. */
const IMPURE_IN_DOMAIN = /\b(Date\.now|Math\.random|new Date\(\))/;
const FORBIDDEN_FOLDERS = /(^|\/)(src|lib|utils?|common|helpers?|types|services)(\/|\.ts$)/;
const FORBIDDEN_COMMENTS = /\b(TODO|FIXME|XXX|HACK)\b|@ts-ignore|@ts-expect-error|eslint-disable/;
const SWITCHED_OFF = /biome-ignore/;
const THIS_FILE = "test/architecture/words.test.ts";

function read(file: string): string {
	return readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
}

function findImpureGlobals(file: string, text: string): string[] {
	// Pure, but absent from the sandbox.
	const forbidden = file.startsWith("workflows/") ? new Set([...IMPURE_GLOBALS, "Buffer"]) : IMPURE_GLOBALS;
	const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
	const found: string[] = [];
	const visit = (node: ts.Node): void => {
		if (ts.isIdentifier(node) && forbidden.has(node.text) && isReference(node)) {
			found.push(`${file}:${source.getLineAndCharacterOfPosition(node.pos).line + 1} uses ${node.text}`);
		}
		ts.forEachChild(node, visit);
	};
	visit(source);
	return found;
}

/** Not a property of something, a key of an object or a declared name of the same spelling. */
function isReference(node: ts.Identifier): boolean {
	const { parent } = node;
	if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
	if (ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent))
		return "initializer" in parent && parent.initializer === node;
	return !ts.isParameter(parent) && !ts.isVariableDeclaration(parent) && !ts.isBindingElement(parent) && !ts.isTypeReferenceNode(parent);
}

test("domain and workflows touch no clock of the machine, no randomness, no environment, no output", () => {
	expect(pureFiles.length).toBeGreaterThan(10);
	expect(pureFiles.flatMap((file) => findImpureGlobals(file, read(file)))).toEqual([]);
});

test("a global behind a legal import is seen, a property of the same name is not", () => {
	expect(findImpureGlobals("x.ts", "const a = { process: 1 }; a.process; console.log(a);")).toEqual(["x.ts:1 uses console"]);
});

test("pure rules have their time and randomness handed in", () => {
	expect(files.filter((file) => file.startsWith("domain/") && IMPURE_IN_DOMAIN.test(read(file)))).toEqual([]);
});

test("no folder or file has a name that says nothing", () => {
	expect(files.filter((file) => FORBIDDEN_FOLDERS.test(file))).toEqual([]);
});

test("nothing is left for later and no check is switched off in place", () => {
	const marked = files.filter((file) => file !== THIS_FILE && FORBIDDEN_COMMENTS.test(read(file)));
	// A test may look at raw wire data; it says why beside it.
	const switchedOff = files.filter((file) => !file.startsWith("test/") && SWITCHED_OFF.test(read(file)));
	expect([...marked, ...switchedOff]).toEqual([]);
});

test("settings are read in one place: the environment belongs to config and the entry points", () => {
	const readers = files.filter((file) => /^(domain|workflows|activities|clients|gateway|workers)\//.test(file) && /\bprocess\.env\b/.test(read(file)));
	// Children need a PATH; nothing of ours is configured by these.
	const allowed = ["workers/batches-apart.ts", "activities/database/embedded-command.ts", "activities/process/identity.ts"];
	expect(readers.filter((file) => !allowed.includes(file) && !file.startsWith("clients/command-line/"))).toEqual([]);
});
