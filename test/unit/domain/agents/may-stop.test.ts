import { expect, test } from "vitest";
import { mayStop, observeExchange } from "#domain/agents/loop-detector.ts";
import { createLoopMemory } from "#domain/agents/loop-memory.ts";
import { generateCorpus } from "#test/agents/generate-corpus.ts";
import { toExchange } from "#test/agents/replay.ts";

const SEEDS = [1, 2, 3, 4];

/** Groups of so many exchanges come in one body, as parallel calls of tools do. */
test.each([1, 2, 3])("no run of the corpus is stopped by %i exchanges that may not stop it", (together) => {
	let stops = 0;
	for (const seed of SEEDS) {
		for (const { events, runId } of generateCorpus({ seed, variants: 12 })) {
			const memory = createLoopMemory();
			for (let at = 0; at < events.length; at += together) {
				const group = events.slice(at, at + together);
				const may = mayStop(memory, group.length);
				const isStopped = group
					.map((event) => observeExchange(memory, toExchange(event)))
					.some((verdicts) => verdicts.some(({ severity }) => severity === "stop"));
				if (isStopped) {
					stops += 1;
					expect(may, `run ${runId}, exchange ${at + 1}`).toBe(true);
					break;
				}
			}
		}
	}
	expect(stops).toBe(SEEDS.length * 12 * 7);
});

test("many exchanges at once may stop a run that nothing was said of", () => {
	expect(mayStop(createLoopMemory(), 3)).toBe(false);
	expect(mayStop(createLoopMemory(), 4)).toBe(true);
});
