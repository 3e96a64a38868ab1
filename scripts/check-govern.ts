import { isSeed, isWhole, runWithOptions, seedOf, type TypedOptions } from "./check-options.ts";
import { runIsolatedCheck } from "./isolated-check.ts";

// `npm run check:govern -- --seed S`: every alert exactly once, whatever is killed. Last line: one JSON object with `ok`, `seed` and
// counts. Exit code 0: it held; 1: broken; 2: it could not be run.

const HELP = `npm run check:govern -- [--seed S] [--runs N | --teams N]
  --seed S   a whole number; default: of the clock, and printed
  --runs N   random runs, 1 to 10000; default 200 (below 15 minutes on two cores)
  --teams N  instead: memory of a worker for N teams with workflows, and how soon crossings are told; 10000 takes about twelve minutes
`;

type Options = { readonly seed: number; readonly runs: number; readonly teams: number };

function read(typed: TypedOptions<"seed" | "runs" | "teams">): Options | undefined {
	const [seed, runs, teams] = [seedOf(typed), Number(typed.runs ?? 200), Number(typed.teams ?? 0)];
	return isSeed(seed) && isWhole(runs, 1, 10_000) && isWhole(teams, 0, 100_000) ? { seed, runs, teams } : undefined;
}

process.exitCode = await runWithOptions({ names: ["seed", "runs", "teams"], help: HELP, read }, ({ seed, runs, teams }) =>
	runIsolatedCheck("govern", "test/govern/main.ts", (folder) => [String(seed), String(runs), String(teams), folder]),
);
