import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { LAYER_FOLDERS, PROJECT_FOLDER } from "#test/support/project-files.ts";

const execute = promisify(execFile);
const TIMEOUT_MS = 120_000;
const CRUISER = path.join(PROJECT_FOLDER, "node_modules/.bin/depcruise");

type Violation = { readonly rule: { readonly name: string }; readonly from: string; readonly to: string };

async function findViolations(folder: string): Promise<string[]> {
	const present = LAYER_FOLDERS.filter((name) => existsSync(path.join(folder, name)));
	const { stdout } = await execute(CRUISER, ["--config", ".dependency-cruiser.cjs", "--output-type", "json", ...present], {
		cwd: folder,
		maxBuffer: 1 << 28,
	}).catch(
		// Violations are its exit code; what it found is on stdout all the same.
		(error: { stdout: string }) => error,
	);
	const { summary } = JSON.parse(stdout) as { summary: { violations: Violation[] } };
	return summary.violations.map((violation) => `${violation.rule.name}: ${violation.from} -> ${violation.to}`);
}

test("every import goes down the layers", { timeout: TIMEOUT_MS }, async () => {
	expect(await findViolations(PROJECT_FOLDER)).toEqual([]);
});

test("an import against the layers is found, a type-only one is free", { timeout: TIMEOUT_MS }, async () => {
	const folder = mkdtempSync(path.join(tmpdir(), "tollgate-layers-"));
	for (const name of [".dependency-cruiser.cjs", "tsconfig.json", "package.json"]) cpSync(path.join(PROJECT_FOLDER, name), path.join(folder, name));
	symlinkSync(path.join(PROJECT_FOLDER, "node_modules"), path.join(folder, "node_modules"));
	const write = (file: string, text: string): void => {
		mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
		writeFileSync(path.join(folder, file), text);
	};
	write("activities/store.ts", "export type Row = string;\nexport const store = 1;\n");
	write("domain/pure.ts", 'import { readFileSync } from "node:fs";\nimport { z } from "zod";\nexport const pure = [readFileSync, z];\n');
	write(
		"workflows/budget.ts",
		'import type { Row } from "#activities/store.ts";\nimport { store } from "#activities/store.ts";\nexport const row: Row = String(store);\n',
	);
	write("activities/request/call.ts", 'import { Context } from "@temporalio/activity";\nexport const call = Context;\n');
	write("activities/providers/call.ts", 'import { type Dispatcher, Pool } from "undici";\nexport const pool = (of: Dispatcher) => [of, Pool];\n');
	write("activities/providers/types.ts", 'import type { Dispatcher } from "undici";\nexport type Sent = Dispatcher;\n');
	write("simulator/main.ts", 'import { pure } from "#domain/pure.ts";\nexport const main = pure;\n');
	write("clients/index.ts", 'import type { Row } from "#activities/store.ts";\nexport type { Row };\n');
	try {
		const rules = (await findViolations(folder)).map((violation) => violation.split(" -> ")[0]);
		expect([...new Set(rules)].sort()).toEqual([
			"calls-load-the-pool-of-undici-alone: activities/providers/call.ts",
			"domain-has-no-packages: domain/pure.ts",
			"request-layer-is-not-temporal: activities/request/call.ts",
			"simulator-stands-alone: simulator/main.ts",
			"workflows-know-domain: workflows/budget.ts",
		]);
	} finally {
		rmSync(folder, { recursive: true });
	}
});
