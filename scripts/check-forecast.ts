import path from "node:path";
import { isSeed, isWhole, runWithOptions, seedOf, type TypedOptions } from "./check-options.ts";
import { runIsolatedCheck } from "./isolated-check.ts";

// `npm run check:forecast -- --seed S`: how far forecasts are off, what their intervals cover, and which anomalies are found, on series of that
// seed or of a file. Last line: one JSON object with `ok`, `seed` and figures. Exit code 0: it held; 1: a miss; 2: it could not be run.

const HELP = `npm run check:forecast -- [--seed S] [--per-world N | --series FILE]
  --seed S       a whole number; default: of the clock, and printed
  --per-world N  series of each world, 500 to 5000; default 1000 (some minutes on two cores)
  --series FILE  instead: series of a CSV file with the columns series,day,amountNanoUsd,planted, whose first line names them:
                 day like 2026-11-01 or a whole number from 0; planted empty, 0 or none where nothing was, else spike, step, ramp, 1 or any word
`;

type Options = { readonly seed: number; readonly perWorld: number; readonly series: string };

function read(typed: TypedOptions<"seed" | "per-world" | "series">): Options | undefined {
	const [seed, perWorld] = [seedOf(typed), Number(typed["per-world"] ?? 1_000)];
	const isRight = isSeed(seed) && isWhole(perWorld, 500, 5_000);
	return isRight ? { seed, perWorld, series: typed.series === undefined ? "" : path.resolve(typed.series) } : undefined;
}

process.exitCode = await runWithOptions({ names: ["seed", "per-world", "series"], help: HELP, read }, ({ seed, perWorld, series }) =>
	runIsolatedCheck("forecast", "test/forecast/main.ts", () => [String(seed), String(perWorld), series]),
);
