import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCorpus } from "#test/fuzz/corpus.ts";
import { runRounds } from "#test/fuzz/rounds.ts";
import { holds, pureTarget } from "#test/fuzz/target.ts";
import { FUZZ_TARGETS } from "#test/fuzz/targets/all.ts";

/** The corpus and a first round of every target; `npm run fuzz` goes on for as long as it is told. */
const CASES = 300;

describe("fuzz", () => {
	test.each(FUZZ_TARGETS)("$name: the corpus and new cases hold", async (target) => {
		expect(readCorpus(target.name).length).toBeGreaterThan(0);
		const { failure } = await runRounds(target, { seed: 1, mayGoOn: (cases) => cases < CASES, onCase: () => undefined });
		expect(failure).toBeUndefined();
	});

	test("a case that breaks a property is found and shrunk", async () => {
		const target = pureTarget({
			name: "no such target",
			cases: fc.record({ text: fc.string() }),
			check: ({ text }) => holds(!text.includes("a"), "no a", text),
		});
		const { failure } = await runRounds(target, { seed: 1, mayGoOn: () => true, onCase: () => undefined });
		expect(failure).toMatchObject({ input: { text: "a" }, message: expect.stringContaining("no a") });
	});
});
