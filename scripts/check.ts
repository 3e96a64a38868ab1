import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { LAYER_FOLDERS, PROJECT_FOLDER } from "#test/support/project-files.ts";

// `npm run check`: format and lint, typed lint, types, layers, dead code. `--write` lets Biome repair what it can.
// All of them run, so that one look shows everything; the exit code is 1 when any complains.

type Tool = { readonly name: string; readonly program: string; readonly args: readonly string[] };

const isWriting = process.argv.includes("--write");
const folders = LAYER_FOLDERS.filter((folder) => existsSync(path.join(PROJECT_FOLDER, folder)));
const tools: readonly Tool[] = [
	{ name: "format and lint", program: "biome", args: ["check", "--error-on-warnings", ...(isWriting ? ["--write"] : []), "."] },
	{ name: "types", program: "tsc", args: ["--noEmit"] },
	{ name: "types of the console", program: "tsc", args: ["--noEmit", "--project", "console"] },
	{ name: "typed lint", program: "eslint", args: ["--max-warnings=0", ...folders] },
	{ name: "layers", program: "depcruise", args: ["--config", ".dependency-cruiser.cjs", ...folders] },
	{ name: "dead code", program: "knip", args: [] },
];

const failed = tools.filter((tool) => !run(tool)).map((tool) => tool.name);
process.stdout.write(failed.length === 0 ? "all checks passed\n" : `failed: ${failed.join(", ")}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

function run(tool: Tool): boolean {
	const startedAt = performance.now();
	const result = spawnSync(path.join(PROJECT_FOLDER, "node_modules/.bin", tool.program), tool.args, { cwd: PROJECT_FOLDER, encoding: "utf8" });
	if (result.error !== undefined) throw result.error;
	const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
	process.stdout.write(`${result.status === 0 ? "ok    " : "FAILED"} ${tool.name} (${seconds} s)\n`);
	if (result.status !== 0) process.stdout.write(`${result.stdout}${result.stderr}\n`);
	return result.status === 0;
}
