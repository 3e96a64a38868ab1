import { readFileSync } from "node:fs";
import { checkFile } from "./check-file.ts";
import { checkWorlds } from "./check-worlds.ts";
import { readSeriesFile } from "./series-file.ts";

// The process of `npm run check:forecast`, in the environment of a test run. Arguments: seed, series of each world, file (empty = the worlds).
const [seed, series, file = ""] = process.argv.slice(2);
const startedAtMs = performance.now();
const end = (result: Readonly<Record<string, unknown>>, exitCode: 0 | 1 | 2): never => {
	const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
	process.stdout.write(`${JSON.stringify({ ok: exitCode === 0, seed: Number(seed), ...result, seconds })}\n`);
	process.exit(exitCode);
};
const options = { seed: Number(seed), onProgress: (line: string) => void process.stderr.write(`${line}\n`) };

process.on("SIGTERM", () => process.exit(2));
try {
	const checked = file === "" ? checkWorlds({ ...options, series: Number(series) }) : checkFile(readSeriesFile(readFileSync(file, "utf8")), options);
	end(checked, checked.misses.length === 0 ? 0 : 1);
} catch (error) {
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	end({ couldNotRun: error instanceof Error ? error.message : String(error) }, 2);
}
