import { parentPort, workerData } from "node:worker_threads";
import { runRounds } from "./rounds.ts";
import { FUZZ_TARGETS } from "./targets/all.ts";

/**
 * Fuzzes one target in a thread of its own. Before each case it writes the case and a number into shared memory, so that
 * whoever started it can tell that a case never ends, and which one.
 */
export type FuzzWork = { readonly targetName: string; readonly seconds: number; readonly seed: number; readonly progress: SharedArrayBuffer };

const { targetName, seconds, seed, progress } = workerData as FuzzWork;
const target = FUZZ_TARGETS.find(({ name }) => name === targetName);
if (target === undefined) throw new Error(`there is no fuzz target ${targetName}`);
const counters = new Int32Array(progress, 0, 2);
const text = new Uint8Array(progress, 8);
const encoder = new TextEncoder();
const startedAtMs = performance.now();
const result = await runRounds(target, {
	seed,
	mayGoOn: () => performance.now() - startedAtMs < seconds * 1_000,
	onCase(input) {
		// A copy: text is not decoded into shared memory directly.
		const bytes = encoder.encode(JSON.stringify(input)).subarray(0, text.length);
		text.set(bytes);
		counters[1] = bytes.length;
		Atomics.add(counters, 0, 1);
	},
});
parentPort?.postMessage(result);
