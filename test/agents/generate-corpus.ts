import { createRandom, type Random } from "#test/faults/random.ts";
import type { CorpusRun } from "./corpus-run.ts";
import { LEGITIMATE } from "./legitimate.ts";
import { LOOPS, type LoopScript } from "./loops.ts";
import { Trace } from "./trace.ts";

/** Steps a loop goes on for: longer than the latest stop of the longest cycle. */
const LOOP_STEPS = 48;
const PRODUCTIVE_STEPS_MAX = 14;

/** `variants` runs of each kind, loops first. One seed, one corpus; more variants leave those before them as they are. */
export function generateCorpus({ seed, variants }: { readonly seed: number; readonly variants: number }): CorpusRun[] {
	const kinds = [
		...Object.entries(LOOPS).map(
			([kind, script]) =>
				(random: Random, runId: string) =>
					loopRun(random, { runId, label: `loop:${kind}`, script }),
		),
		...Object.entries(LEGITIMATE).map(([kind, script]) => (random: Random, runId: string): CorpusRun => {
			const trace = new Trace(random);
			trace.productive(random.integer(0, PRODUCTIVE_STEPS_MAX));
			script(trace);
			return { runId, label: `legitimate:${kind}`, onsetStep: null, events: trace.events };
		}),
	];
	return kinds.flatMap((write, index) => {
		const random = createRandom(seed * 31 + index);
		return Array.from({ length: variants }, (_, variant) => write(random.fork(), `${seed}-${index + 1}-${variant + 1}`));
	});
}

function loopRun(random: Random, { runId, label, script }: { readonly runId: string; readonly label: string; readonly script: LoopScript }): CorpusRun {
	const trace = new Trace(random);
	trace.productive(random.integer(0, PRODUCTIVE_STEPS_MAX));
	const before = trace.length;
	const repeatsCompleteAt = script(trace, LOOP_STEPS);
	return { runId, label, onsetStep: before + repeatsCompleteAt, events: trace.events };
}
