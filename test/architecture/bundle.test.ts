import { readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";
import { buildWorkflowBundle, SHARED_RULES } from "../../workers/bundle.ts";

/** Temporal's own packages and their small dependencies. */
const ALLOWED_PACKAGES = ["@temporalio/common", "@temporalio/workflow", "nexus-rpc", "long", "ms"];
/** 2.94 MB when it was measured last, of which 1.78 MB are Temporal's. */
const BYTES_MAX = 3_100_000;

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

test("the bundle stays small: every cached workflow pays for it", () => {
	expect(code.length).toBeGreaterThan(100_000);
	expect(code.length).toBeLessThan(BYTES_MAX);
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
