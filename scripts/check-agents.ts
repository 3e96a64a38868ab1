import path from "node:path";
import { isSeed, isWhole, runWithOptions, seedOf, type TypedOptions } from "./check-options.ts";
import { runIsolatedCheck } from "./isolated-check.ts";

// `npm run check:agents -- --seed S --variants N`: every loop is stopped in time and no legitimate run is, through a real gateway. Last line:
// one JSON object with `ok`, `seed` and counts. Exit code 0: it held; 1: a miss, a late or a false stop; 2: it could not be run.

const HELP = `npm run check:agents -- [--seed S] [--variants N | --corpus FILE] [--gateways G]
  --seed S       a whole number; default: of the clock, and printed
  --variants N   runs of each of the 14 kinds, 1 to 2000; default 72, which are 504 legitimate runs (about three minutes on two cores)
  --corpus FILE  instead: runs of a file, one JSON object a line:
                 {runId, label, onsetStep, events[{tool, args, observation, isError, costNanoUsd, tokens}]}
  --gateways G   calls of a run go to any of so many, 1 to 4; default 1
`;

type Options = { readonly seed: number; readonly variants: number; readonly gateways: number; readonly corpus: string };

function read(typed: TypedOptions<"seed" | "variants" | "gateways" | "corpus">): Options | undefined {
	const [seed, variants, gateways] = [seedOf(typed), Number(typed.variants ?? 72), Number(typed.gateways ?? 1)];
	const isRight = isSeed(seed) && isWhole(variants, 1, 2_000) && isWhole(gateways, 1, 4);
	return isRight ? { seed, variants, gateways, corpus: typed.corpus === undefined ? "" : path.resolve(typed.corpus) } : undefined;
}

process.exitCode = await runWithOptions({ names: ["seed", "variants", "gateways", "corpus"], help: HELP, read }, ({ seed, variants, gateways, corpus }) =>
	runIsolatedCheck("agents", "test/agents/main.ts", () => [String(seed), String(variants), String(gateways), corpus]),
);
