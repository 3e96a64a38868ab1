import { readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";
import { buildWorkflowBundle, SHARED_RULES } from "../../workers/bundle.ts";

/** Temporal's own packages and their small dependencies. */
const ALLOWED_PACKAGES = ["@temporalio/common", "@temporalio/workflow", "nexus-rpc", "long", "ms"];
/** 1.20 MB when it was measured last; with the sources in its map it was 3.03. */
const BYTES_MAX = 1_300_000;

let code: string;
let modules: string[];

beforeAll(async () => {
	({ code } = await buildWorkflowBundle());
	// The SDK's bundler runs webpack in development mode, which names every module in a banner.
	modules = [...code.matchAll(/^\s*!\*\*\*\s+(\S+)/gm)].map((match) => match[1]!);
});

test("workflow code holds domain rules, workflows and Temporal, and nothing else", () => {
	const own = modules.filter((module) => module.startsWith("./") && !module.includes("node_modules"));
	expect(own.filter((module) => !/^\.\/(domain|workflows)\//.test(module))).toEqual([]);
	expect(own).toContain("./workflows/team-budget/workflow.ts");
	const packages = new Set(modules.filter((module) => module.includes("node_modules/")).map((module) => packageOf(module)));
	expect([...packages].filter((name) => !ALLOWED_PACKAGES.includes(name))).toEqual([]);
});

test("the bundle stays small: a worker holds it many times while it starts", () => {
	expect(code.length).toBeGreaterThan(100_000);
	expect(code.length).toBeLessThan(BYTES_MAX);
	expect(code.match(/[^\u0000-\u00ff]/gu) ?? []).toEqual([]);
});

test("its map names the file and the line of what workflows do, without the sources", () => {
	const [, encoded = ""] = /\n\/\/# sourceMappingURL=data:application\/json;charset=utf-8;base64,(\S+)\s*$/.exec(code) ?? [];
	const payload = JSON.parse(Buffer.from(encoded, "base64").toString()) as SourceMapPayload;
	expect(payload.sourcesContent ?? []).toEqual([]);
	const statement = "await load(governor, input.teamId, hasLanes);";
	const line = code.split("\n").findIndex((text) => text.includes(statement));
	const found = new SourceMap(payload).findEntry(line, 0);
	if (!("originalSource" in found)) throw new Error("the line has no entry");
	const source = path.join(PROJECT_FOLDER, "workflows/team-budget/workflow.ts");
	expect(found.originalSource).toMatch(/workflows\/team-budget\/workflow\.ts$/);
	expect(readFileSync(source, "utf8").split("\n")[found.originalLine]).toContain(statement);
});

test("every rule that workflows import is shared by them, and no other", () => {
	// The durable agent runs in bundles of its users; durable-agent.test.ts looks at what it brings along.
	const sources = listProjectFiles([".ts"]).filter((file) => file.startsWith("workflows/") && !file.startsWith("workflows/durable-agent/"));
	const imports = sources.flatMap((file) => [
		...readFileSync(path.join(PROJECT_FOLDER, file), "utf8").matchAll(/^import (?!type )[^;]*? from "#domain\/([^"]+)"/gm),
	]);
	expect([...new Set(imports.map(([, rule]) => rule))].sort()).toEqual([...SHARED_RULES]);
});

function packageOf(module: string): string {
	const [scopeOrName, name] = module.slice(module.lastIndexOf("node_modules/") + "node_modules/".length).split("/");
	return scopeOrName!.startsWith("@") ? `${scopeOrName}/${name}` : scopeOrName!;
}
