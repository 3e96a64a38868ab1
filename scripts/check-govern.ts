import { parseArgs } from "node:util";
import { runIsolatedCheck } from "./isolated-check.ts";

// `npm run check:govern -- --seed S`: every alert exactly once, whatever is killed. Last line: one JSON object with `ok`, `seed` and
// counts. Exit code 0: it held; 1: broken; 2: it could not be run.

const HELP = `npm run check:govern -- [--seed S] [--runs N | --teams N]
  --seed S   a whole number; default: of the clock, and printed
  --runs N   random runs, 1 to 10000; default 200 (below 15 minutes on two cores)
  --teams N  instead: memory of a worker for N teams with workflows, and how soon crossings are told; 10000 takes about six minutes
`;

type Options = { readonly seed: number; readonly runs: number; readonly teams: number };

function readOptions(): Options | undefined {
	const text = { type: "string" } as const;
	const { values } = parseArgs({ options: { seed: text, runs: text, teams: text, help: { type: "boolean" } } });
	const [seed, runs, teams] = [Number(values.seed ?? Date.now() % 2 ** 31), Number(values.runs ?? 200), Number(values.teams ?? 0)];
	const isWhole = (value: number, lowest: number, highest: number): boolean => Number.isInteger(value) && value >= lowest && value <= highest;
	return !values.help && isWhole(seed, 0, 2 ** 32) && isWhole(runs, 1, 10_000) && isWhole(teams, 0, 100_000) ? { seed, runs, teams } : undefined;
}

async function main(): Promise<number> {
	const options = readOptions();
	if (options === undefined) {
		process.stdout.write(HELP);
		return 2;
	}
	return runIsolatedCheck("govern", "test/govern/main.ts", (folder) => [String(options.seed), String(options.runs), String(options.teams), folder]);
}

process.exitCode = await main();
