import path from "node:path";
import { parseArgs } from "node:util";
import { runIsolatedCheck } from "./isolated-check.ts";

// `npm run check:batch -- --seed S --batches N`: each item of a batch, or handed in alone, is delivered and booked exactly once, whatever is killed
// and whatever the provider does, and the end of each that named a webhook is told to it. Last line: one JSON object with `ok`, `seed` and counts. Exit code 0: it held; 1: broken; 2: it could not be run.

const HELP = `npm run check:batch -- [--seed S] [--batches N | --scenario FILE | --items N [--deferred]]
  --seed S         a whole number; default: of the clock, and printed
  --batches N      random batches with random faults, 1 to 10000; default 200; beside them N / 4 teams hand in items alone,
                   some with webhooks, whose receiver fails at random
  --scenario FILE  instead: batches and faults of a file, JSON or YAML (docs/batches-operators.md, "Check it")
  --items N        instead: one batch of so many items, 1 to 50000; time, memory and messages of it
  --deferred       those items are handed in alone, by POST /v1/deferred
`;

type Options = { readonly seed: number; readonly batches: number; readonly scenario: string; readonly items: number; readonly isDeferred: boolean };

function readOptions(): Options | undefined {
	const text = { type: "string" } as const;
	const flag = { type: "boolean" } as const;
	try {
		const { values } = parseArgs({ options: { seed: text, batches: text, scenario: text, items: text, deferred: flag, help: flag } });
		const [seed, batches, items] = [Number(values.seed ?? Date.now() % 2 ** 31), Number(values.batches ?? 200), Number(values.items ?? 0)];
		const isWhole = (value: number, lowest: number, highest: number): boolean => Number.isInteger(value) && value >= lowest && value <= highest;
		const isOneThing = [values.batches, values.scenario, values.items].filter((value) => value !== undefined).length <= 1;
		const lowestItems = values.items === undefined ? 0 : 1;
		const isDeferred = values.deferred === true;
		const isOfItems = !isDeferred || values.items !== undefined;
		const isRight = !values.help && isOneThing && isOfItems && isWhole(seed, 0, 2 ** 32) && isWhole(batches, 1, 10_000) && isWhole(items, lowestItems, 50_000);
		return isRight ? { seed, batches, items, isDeferred, scenario: values.scenario === undefined ? "" : path.resolve(values.scenario) } : undefined;
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
	const { seed, batches, scenario, items, isDeferred } = options;
	return runIsolatedCheck("batch", "test/batches/check/main.ts", (folder) => [
		...[String(seed), String(batches), String(items), folder, scenario, isDeferred ? "deferred" : ""],
	]);
}

process.exitCode = await main();
