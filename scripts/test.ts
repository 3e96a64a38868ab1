import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { isolateEnvironment } from "#test/support/environment.ts";
import { makeRunFolder, removeRunFolder } from "#test/support/global-setup.ts";
import { endLeftovers, findLeftovers } from "#test/support/leftovers.ts";
import { installExamplePackages } from "./example-packages.ts";
import { acquireTemporalBinary } from "./start/temporal-binary.ts";

// `npm test`: all test projects, three workers. `--fast` runs those that need no server. Other arguments go to vitest.
// The last line is `N passed, N failed`; `N skipped` stands before it when any were.

type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };
type VitestResults = {
	readonly numPassedTests: number;
	readonly numFailedTests: number;
	readonly numPendingTests: number;
	readonly numTodoTests: number;
	readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
};

const FAST_PROJECTS = ["unit", "domain", "property", "architecture", "replay", "gateway"];
/** On two cores: of what needs servers, one file in three waits. */
const WORKERS = { fast: 2, all: 3 };
const VITEST = path.join(import.meta.dirname, "../node_modules/vitest/vitest.mjs");

const runFolder = await makeRunFolder();
try {
	process.exitCode = await runTests(process.argv.slice(2));
} finally {
	await removeRunFolder(runFolder);
}

async function runTests(args: readonly string[]): Promise<number> {
	const isFast = args.includes("--fast");
	const environment = isolateEnvironment(process.env, runFolder);
	if (!isFast) environment["TOLLGATE_TEMPORAL_BINARY"] = await findTemporal();
	if (!isFast) await installExamples();
	const projects = isFast ? FAST_PROJECTS.flatMap((name) => ["--project", name]) : [];
	const resultsFile = path.join(runFolder, "results.json");
	const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${resultsFile}`];
	const vitestArgs = [
		"run",
		`--maxWorkers=${isFast ? WORKERS.fast : WORKERS.all}`,
		"--passWithNoTests",
		...reporters,
		...projects,
		...args.filter((argument) => argument !== "--fast"),
	];
	const exitCode = await runVitest(vitestArgs, environment);
	return judge(countTests(resultsFile), exitCode);
}

/** Before anything is isolated: the cache of binaries is the user's own. */
async function findTemporal(): Promise<string> {
	const cache = process.env["TOLLGATE_CACHE"] ?? path.join(homedir(), ".cache", "tollgate");
	const named = process.env["TOLLGATE_TEMPORAL_BINARY"] ?? null;
	return acquireTemporalBinary({ named, cache, onProgress: (line) => process.stderr.write(`tollgate: ${line}\n`) });
}

/** Before the run is cut off from the network. What cannot be installed fails the tests that need it, and no other. */
async function installExamples(): Promise<void> {
	const say = (line: string): void => void process.stderr.write(`tollgate: ${line}\n`);
	await installExamplePackages(say).catch((error: unknown) => say(error instanceof Error ? error.message : String(error)));
}

async function runVitest(args: readonly string[], environment: Record<string, string | undefined>): Promise<number> {
	const child = spawn(process.execPath, [VITEST, ...args], { cwd: path.join(import.meta.dirname, ".."), env: environment, stdio: "inherit" });
	// A Ctrl-C reaches vitest by itself; this process stays to clean up after it.
	process.on("SIGINT", () => {});
	process.on("SIGTERM", () => child.kill("SIGTERM"));
	const [code] = (await once(child, "exit")) as [number | null];
	return code ?? 1;
}

/** Null when vitest did not come to write results. */
function countTests(resultsFile: string): Counts | null {
	let results: VitestResults;
	try {
		results = JSON.parse(readFileSync(resultsFile, "utf8")) as VitestResults;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
	// A file that does not even load has no test that could fail.
	const brokenFiles = results.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
	return { passed: results.numPassedTests, failed: results.numFailedTests + brokenFiles, skipped: results.numPendingTests + results.numTodoTests };
}

function judge(counts: Counts | null, vitestExitCode: number): number {
	const { passed, skipped, ...rest } = counts ?? { passed: 0, failed: 0, skipped: 0 };
	let failed = rest.failed;
	const leftovers = findLeftovers(runFolder).filter((leftover) => !leftover.commandLine.includes(path.join(runFolder, "postgres")));
	for (const leftover of leftovers) process.stdout.write(`left running: process ${leftover.pid} ${leftover.commandLine}\n`);
	endLeftovers(leftovers);
	if (leftovers.length > 0) failed += 1;
	// Errors outside of any test, an interrupt: vitest failed, and so does the run.
	if (vitestExitCode !== 0 && failed === 0) failed = 1;
	if (passed + failed === 0) process.stdout.write("no test ran\n");
	if (skipped > 0) process.stdout.write(`${skipped} skipped\n`);
	process.stdout.write(`${passed} passed, ${failed} failed\n`);
	return failed === 0 && passed > 0 ? 0 : 1;
}
