import { isSeed, isWhole, runWithOptions, seedOf, type TypedOptions } from "./check-options.ts";
import { runIsolatedCheck } from "./isolated-check.ts";

// `npm run check:console`: how soon the console's pages paint, and how long what people do there takes, over a large ledger in a real browser.
// Last line: one JSON object with `ok`, `seed` and figures. Exit code 0: it held; 1: a miss; 2: it could not be run.

const HELP = `npm run check:console -- [--attempts N] [--days N] [--seed S]
  --attempts N  calls in the ledger, 1000 to 10000000; default 5000000 (some ten minutes on two cores)
  --days N      that they are spread over, 40 to 1000; default 400
  --seed S      of the ledger, a whole number; default: of the clock, and printed
`;

type Options = { readonly attempts: number; readonly days: number; readonly seed: number };

function read(typed: TypedOptions<"attempts" | "days" | "seed">): Options | undefined {
	const options = { attempts: Number(typed.attempts ?? 5_000_000), days: Number(typed.days ?? 400), seed: seedOf(typed) };
	return isWhole(options.attempts, 1_000, 10_000_000) && isWhole(options.days, 40, 1_000) && isSeed(options.seed) ? options : undefined;
}

process.exitCode = await runWithOptions({ names: ["attempts", "days", "seed"], help: HELP, read }, ({ attempts, days, seed }) =>
	runIsolatedCheck("console", "test/console/check/main.ts", () => [attempts, days, seed].map(String)),
);
