import { Broken } from "./broken.ts";
import { checkGovern } from "./check.ts";
import { measureManyTeams } from "./many-teams.ts";

// The process of `npm run check:govern`, in the environment of a test run. Arguments: seed, runs, teams (0 = the runs), folder.
const [seed, runs, teams, folder = ""] = process.argv.slice(2);
const startedAtMs = performance.now();
const end = (result: Record<string, unknown>, exitCode: 0 | 1 | 2): never => {
	const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
	process.stdout.write(`${JSON.stringify({ ok: exitCode === 0, seed: Number(seed), ...result, seconds })}\n`);
	process.exit(exitCode);
};
const common = { seed: Number(seed), folder, onProgress: (line: string) => void process.stderr.write(`${line}\n`) };

process.on("SIGTERM", () => process.exit(2));
try {
	end(Number(teams) > 0 ? await measureManyTeams({ ...common, teams: Number(teams) }) : await checkGovern({ ...common, runs: Number(runs) }), 0);
} catch (error) {
	if (error instanceof Broken) end({ broken: error.message }, 1);
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	end({ couldNotRun: error instanceof Error ? error.message : String(error) }, 2);
}
