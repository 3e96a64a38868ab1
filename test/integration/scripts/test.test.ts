import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

function runTests(
	args: readonly string[],
	environment: Record<string, string> = {},
): { lastLine: string | undefined; lineBefore: string | undefined; exitCode: number | null } {
	const outer = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^VITEST|^TOLLGATE_TEST_/.test(name)));
	const result = spawnSync(process.execPath, [path.join(PROJECT_FOLDER, "scripts/test.ts"), "--fast", ...args], {
		env: { ...outer, ...environment },
		encoding: "utf8",
	});
	const lines = result.stdout.trimEnd().split("\n");
	return { lastLine: lines.at(-1), lineBefore: lines.at(-2), exitCode: result.status };
}

test("the last line counts, and a live system's variables and provider keys do not reach the tests", () => {
	const live = { OPENAI_API_KEY: "sk-live", DATABASE_URL: "postgres://live", TOLLGATE_HOME: "/nowhere", TOLLGATE_GATEWAY_PORT: "4000" };
	expect(runTests(["test/architecture/run-environment.test.ts"], live)).toMatchObject({ lastLine: "3 passed, 0 failed", exitCode: 0 });
});

test("a run in which no test ran is a failure", () => {
	expect(runTests(["test/unit/no-such-file.test.ts"])).toMatchObject({ lastLine: "0 passed, 0 failed", exitCode: 1 });
});

test("skipped tests are counted apart", () => {
	expect(runTests(["test/architecture/run-environment.test.ts", "-t", "this very run"])).toMatchObject({
		lastLine: "1 passed, 0 failed",
		lineBefore: "2 skipped",
	});
});
