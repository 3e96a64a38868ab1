import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { keepCase } from "#test/fuzz/corpus.ts";
import type { FuzzWork } from "#test/fuzz/fuzz-worker.ts";
import type { RoundsResult } from "#test/fuzz/rounds.ts";
import type { JsonValue } from "#test/fuzz/target.ts";
import { FUZZ_TARGETS } from "#test/fuzz/targets/all.ts";

// `npm run fuzz -- --seconds 60 --only http --seed 7`: every target, one after another, for its share of the time. A case that
// breaks a property is shrunk and kept in test/fuzz/corpus, which `npm test` replays. Exit code 1 when any did.

const HELP = `npm run fuzz -- [--seconds N] [--only TARGET] [--seed S]
  --seconds N     for all targets together; default 60
  --only TARGET   ${FUZZ_TARGETS.map(({ name }) => name).join(", ")}
  --seed S        a whole number; default: of the clock, and printed
`;
const PROGRESS_BYTES = 1 << 20;
/** The slowest case waits 10 s at most; one that computes for longer than this never ends. */
const STUCK_AFTER_MS = 30_000;

type Options = { readonly seconds: number; readonly targetNames: readonly string[]; readonly seed: number };

function readOptions(): Options | undefined {
	const { values } = parseArgs({ options: { seconds: { type: "string" }, only: { type: "string" }, seed: { type: "string" }, help: { type: "boolean" } } });
	const names = FUZZ_TARGETS.map(({ name }) => name);
	const seconds = Number(values.seconds ?? 60);
	const seed = Number(values.seed ?? Date.now() % 2 ** 31);
	if (values.help || !(seconds > 0) || !Number.isInteger(seed) || (values.only !== undefined && !names.includes(values.only))) return undefined;
	return { seconds, seed, targetNames: values.only === undefined ? names : [values.only] };
}

/** The failing case of a thread that ended; of one that is stuck, the case it is stuck in, unshrunk. */
function fuzz(work: Omit<FuzzWork, "progress">): Promise<RoundsResult> {
	const progress = new SharedArrayBuffer(PROGRESS_BYTES);
	const counters = new Int32Array(progress, 0, 2);
	const worker = new Worker(new URL("../test/fuzz/fuzz-worker.ts", import.meta.url), { workerData: { ...work, progress } satisfies FuzzWork });
	return new Promise((resolve, reject) => {
		let seen = 0;
		let seenAtMs = performance.now();
		const watch = setInterval(() => {
			const cases = Atomics.load(counters, 0);
			if (cases !== seen) [seen, seenAtMs] = [cases, performance.now()];
			if (performance.now() - seenAtMs < STUCK_AFTER_MS) return;
			const text = Buffer.from(progress, 8, counters[1]).toString();
			void worker.terminate();
			resolve({ cases, failure: { input: JSON.parse(text) as JsonValue, message: `no end within ${STUCK_AFTER_MS} ms`, shrinks: 0 } });
		}, 1_000);
		worker.once("message", resolve);
		worker.once("error", reject);
		worker.once("exit", () => clearInterval(watch));
	});
}

async function main(): Promise<number> {
	const options = readOptions();
	if (options === undefined) {
		process.stdout.write(HELP);
		return 2;
	}
	process.stdout.write(`seed ${options.seed}\n`);
	let failures = 0;
	for (const targetName of options.targetNames) {
		const { cases, failure } = await fuzz({ targetName, seconds: options.seconds / options.targetNames.length, seed: options.seed });
		process.stdout.write(`${failure === undefined ? "ok    " : "FAILED"} ${targetName}: ${cases} cases\n`);
		if (failure === undefined) continue;
		failures += 1;
		process.stdout.write(`kept in ${keepCase(targetName, failure.input)} after ${failure.shrinks} steps of shrinking\n${failure.message}\n`);
	}
	process.stdout.write(failures === 0 ? "no case broke a property\n" : `${failures} failed\n`);
	return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
