import { expect, test } from "vitest";
import { checkAgents } from "#test/agents/check.ts";
import type { CorpusRun } from "#test/agents/corpus-run.ts";
import { generateCorpus } from "#test/agents/generate-corpus.ts";
import { createTestDatabase } from "#test/support/postgres.ts";

/** A few runs of each kind through real gateways; `npm run check:agents` plays a thousand. */
const SEED = 26;

async function expectAllRight(runs: readonly CorpusRun[], gateways: number): Promise<void> {
	const database = await createTestDatabase();
	const { judgement, findings } = await checkAgents({ seed: SEED, runs, gateways, database, onProgress: () => undefined });
	const loops = runs.filter(({ onsetStep }) => onsetStep !== null).length;
	expect(judgement).toMatchObject({ loops, legitimate: runs.length - loops, missed: 0, late: 0, falseStops: 0, wrong: [] });
	expect(findings).toEqual([]);
}

test("two of each kind: every loop is stopped in time, nothing else is, and the books are in order", async () => {
	await expectAllRight(generateCorpus({ seed: SEED, variants: 2 }), 1);
});

// What a step took is known to the gateway that served it, and to the others once it is flushed: a loop of growing context, which has no
// step to spare, may be stopped one step late there (docs/agent-loops.md).
test("the same with calls that go to any of four gateways, all kinds but growing context", async () => {
	const runs = generateCorpus({ seed: SEED, variants: 1 }).filter(({ label }) => label !== "loop:context-growth");
	await expectAllRight(runs, 4);
});
