import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile } from "node:fs/promises";
import path from "node:path";
import { isolateEnvironment } from "#test/support/environment.ts";
import { endLeftovers, findLeftovers } from "#test/support/leftovers.ts";
import type { TestResult } from "./verdict.ts";

export type TestRun = {
	/** Of the source copy the tests run in. */
	readonly sourceFolder: string;
	/** The run folder shared with the PostgreSQL of the command. */
	readonly runFolder: string;
	/** Unique in the run folder. */
	readonly name: string;
	readonly files: readonly string[];
	readonly titles: readonly string[];
	readonly workers: number;
	readonly timeoutMs: number;
	/** Ends the run early. */
	readonly signal: AbortSignal;
};

/** How long a test waits for what does not come with the mutant: also on the source as it is, where it has to be enough. */
const PATIENCE_MS = 10_000;

/** By path of the test file in the project; undefined where vitest came to write none. `log` is a file with all it said. */
export type TestRunResults = { readonly byFile: ReadonlyMap<string, readonly TestResult[]> | undefined; readonly isTooLong: boolean; readonly log: string };

type VitestResults = { readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly TestResult[] }[] };

/** Runs the named tests of the files with vitest, in an environment of their own; ends whatever they leave running. */
export async function runTests(run: TestRun): Promise<TestRunResults> {
	const folder = path.join(run.runFolder, "tmp", run.name);
	await mkdir(folder, { recursive: true, mode: 0o711 });
	const resultsFile = path.join(folder, "results.json");
	const log = path.join(folder, "vitest.log");
	const own = { TMPDIR: folder, TOLLGATE_HOME: path.join(folder, "home"), TOLLGATE_TEST_PATIENCE_MS: String(PATIENCE_MS) };
	const environment = { ...isolateEnvironment(process.env, run.runFolder), ...own };
	const pattern = `(${run.titles.map(escapePattern).join("|")})$`;
	const args = ["run", `--maxWorkers=${run.workers}`, "--reporter=default", "--reporter=json", `--outputFile.json=${resultsFile}`, "-t", pattern, ...run.files];
	const isTooLong = await runVitest(run, { args, environment, log });
	endLeftovers(findLeftovers(folder));
	return { byFile: await readResults(resultsFile, run.sourceFolder), isTooLong, log };
}

type Vitest = { readonly args: readonly string[]; readonly environment: Record<string, string | undefined>; readonly log: string };

/** True when it was ended for taking too long. */
async function runVitest(run: TestRun, { args, environment, log }: Vitest): Promise<boolean> {
	const output = await open(log, "w");
	const child = spawn(process.execPath, [path.join(run.sourceFolder, "node_modules/vitest/vitest.mjs"), ...args], {
		cwd: run.sourceFolder,
		env: environment,
		stdio: ["ignore", output.fd, output.fd],
	});
	let isTooLong = false;
	const end = (): boolean => child.kill("SIGKILL");
	const timer = setTimeout(() => {
		isTooLong = true;
		end();
	}, run.timeoutMs);
	run.signal.addEventListener("abort", end);
	if (run.signal.aborted) end();
	await once(child, "exit");
	run.signal.removeEventListener("abort", end);
	clearTimeout(timer);
	await output.close();
	return isTooLong;
}

async function readResults(file: string, sourceFolder: string): Promise<ReadonlyMap<string, readonly TestResult[]> | undefined> {
	let text: string;
	try {
		text = await readFile(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
	const { testResults } = JSON.parse(text) as VitestResults;
	return new Map(testResults.map(({ name, assertionResults }) => [path.relative(sourceFolder, name).split(path.sep).join("/"), assertionResults]));
}

function escapePattern(title: string): string {
	return title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
