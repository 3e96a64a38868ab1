import { Broken } from "#test/govern/broken.ts";
import { checkBatches } from "./check.ts";
import { measureManyDeferred } from "./many-deferred.ts";
import { measureManyItems } from "./many-items.ts";
import { readScenario } from "./scenario.ts";

// The process of `npm run check:batch`, in the environment of a test run. Arguments: seed, batches, items (0 = the batches), folder, scenario
// ("" = random ones), "deferred" where those items are handed in alone.
const [seed, batches, items, folder = "", scenarioFile = "", alone = ""] = process.argv.slice(2);
const startedAtMs = performance.now();
const end = (result: Record<string, unknown>, exitCode: 0 | 1 | 2): never => {
	const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
	process.stdout.write(`${JSON.stringify({ ok: exitCode === 0, seed: Number(seed), ...result, seconds })}\n`);
	process.exit(exitCode);
};
const common = { seed: Number(seed), folder, onProgress: (line: string) => void process.stderr.write(`${line}\n`) };

try {
	if (Number(items) > 0 && alone === "deferred") end(await measureManyDeferred({ ...common, items: Number(items) }), 0);
	if (Number(items) > 0) end(await measureManyItems({ ...common, items: Number(items) }), 0);
	const scenario = scenarioFile === "" ? undefined : readScenario(scenarioFile);
	end(await checkBatches({ ...common, batches: Number(batches), scenario }), 0);
} catch (error) {
	if (error instanceof Broken) end({ broken: error.message }, 1);
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	end({ couldNotRun: error instanceof Error ? error.message : String(error) }, 2);
}
