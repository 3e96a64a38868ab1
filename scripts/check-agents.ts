import path from "node:path";
import { parseArgs } from "node:util";
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

function readOptions(): Options | undefined {
	const text = { type: "string" } as const;
	try {
		const { values } = parseArgs({ options: { seed: text, variants: text, gateways: text, corpus: text, help: { type: "boolean" } } });
		const [seed, variants, gateways] = [Number(values.seed ?? Date.now() % 2 ** 31), Number(values.variants ?? 72), Number(values.gateways ?? 1)];
		const isWhole = (value: number, lowest: number, highest: number): boolean => Number.isInteger(value) && value >= lowest && value <= highest;
		const isRight = !values.help && isWhole(seed, 0, 2 ** 32) && isWhole(variants, 1, 2_000) && isWhole(gateways, 1, 4);
		return isRight ? { seed, variants, gateways, corpus: values.corpus === undefined ? "" : path.resolve(values.corpus) } : undefined;
	} catch (error) {
		process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
		return undefined;
	}
}

async function main(): Promise<number> {
	const options = readOptions();
	if (options === undefined) {
		process.stdout.write(HELP);
		return 2;
	}
	const { seed, variants, gateways, corpus } = options;
	return runIsolatedCheck("agents", "test/agents/main.ts", () => [String(seed), String(variants), String(gateways), corpus]);
}

process.exitCode = await main();
