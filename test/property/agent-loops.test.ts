import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { createLoopMemory, packLoopMemory, unpackLoopMemory } from "#domain/agents/loop-memory.ts";
import type { ToolExchange } from "#domain/agents/run-event.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";
import type { CorpusRun } from "#test/agents/corpus-run.ts";
import { generateCorpus } from "#test/agents/generate-corpus.ts";
import { generateHeldOut } from "#test/agents/held-out.ts";
import { type Judgement, judgeRuns, renderJudgement } from "#test/agents/judge-runs.ts";
import { replay } from "#test/agents/replay.ts";

const text = fc.string({ unit: "binary", maxLength: 300 });
const args = fc.oneof(text, fc.json({ maxDepth: 3 }));
const anyExchange: fc.Arbitrary<ToolExchange> = fc.record({
	agent: fc.constantFrom("", "planner", "critic"),
	tool: fc.oneof(fc.constantFrom("search", "edit_file", "get_job_status", "sleep"), text),
	argsText: args,
	observation: fc.option(text, { nil: undefined }),
	isError: fc.boolean(),
	costNanoUsd: fc.bigInt({ min: -1n, max: 10n ** 15n }),
	tokens: fc.oneof(fc.nat({ max: 2 ** 31 }), fc.constantFrom(0, -1, Number.NaN, 2 ** 40)),
});

function observeAll(exchanges: readonly ToolExchange[], memory = createLoopMemory()): GuardVerdict[] {
	return exchanges.flatMap((exchange) => observeExchange(memory, exchange));
}

const word = fc.stringMatching(/^[a-z]{3,9}$/);
const words = fc.array(word, { minLength: 1, maxLength: 12 }).map((parts) => parts.join(" "));

describe("whatever a run does", () => {
	test("its verdicts are sound, and its memory keeps its length", () => {
		fc.assert(
			fc.property(fc.array(anyExchange, { maxLength: 60 }), (exchanges) => {
				const memory = createLoopMemory();
				const { length } = memory;
				for (const verdict of observeAll(exchanges, memory)) {
					expect(verdict.measured).toBeGreaterThanOrEqual(verdict.threshold);
					expect(verdict.evidence).not.toMatch(/[\p{Cc}\p{Cs}]/u);
					expect(verdict.evidence.length).toBeLessThan(600);
					expect(verdict.atEvent).toBeGreaterThan(0);
				}
				expect(memory).toHaveLength(length);
			}),
			{ numRuns: 150 },
		);
	});

	test("another gateway that takes it over says the same", () => {
		fc.assert(
			fc.property(fc.array(anyExchange, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 40 }), (some, handOver) => {
				const exchanges = Array.from({ length: 50 }, (_, index) => some[index % some.length] as ToolExchange);
				const memory = createLoopMemory();
				const before = observeAll(exchanges.slice(0, handOver), memory);
				const taken = unpackLoopMemory(packLoopMemory(memory));
				if (taken.kind === "refused") throw new Error(taken.problem);
				const after = observeAll(exchanges.slice(handOver), taken.memory);
				expect([...before, ...after]).toEqual(observeAll(exchanges));
			}),
			{ numRuns: 100 },
		);
	});
});

test("a call that is repeated is stopped with the ninth result, in whatever form it is written", () => {
	const call = fc.dictionary(fc.stringMatching(/^[a-z]{2,8}$/), fc.oneof(words, fc.integer(), fc.boolean()), { minKeys: 1, maxKeys: 5 });
	const writings = fc.array(fc.record({ isReversed: fc.boolean(), space: fc.integer({ min: 0, max: 4 }), ts: fc.nat() }), { minLength: 9, maxLength: 9 });
	fc.assert(
		fc.property(call, words, writings, (given, observation, each) => {
			const verdicts = observeAll(
				each.map(({ isReversed, space, ts }) => {
					const entries = Object.entries({ ...given, request_id: `r${ts}` });
					const argsText = JSON.stringify(Object.fromEntries(isReversed ? entries.reverse() : entries), null, space);
					return { agent: "", tool: "lookup", argsText, observation, isError: false, costNanoUsd: 1n, tokens: 10 };
				}),
			);
			expect(verdicts.filter(({ severity }) => severity === "stop").map(({ atEvent }) => atEvent)).toEqual([9]);
		}),
		{ numRuns: 150 },
	);
});

test("a poll whose answer changes at least every eighth time is never stopped", () => {
	const plateaus = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 12 });
	fc.assert(
		fc.property(plateaus, words, fc.constantFrom("get_job", "check", "kubectl", "fetch_report"), fc.boolean(), (lengths, beside, tool, addsUp) => {
			let tokens = 1_000;
			const polls = lengths.flatMap((length, state) =>
				Array.from({ length }, () => {
					tokens += addsUp ? 40 : 0;
					return { agent: "", tool, argsText: '{"id":"j-1"}', observation: `${beside} phase ${state}`, isError: false, costNanoUsd: 1n, tokens };
				}),
			);
			expect(observeAll(polls).filter(({ severity }) => severity === "stop")).toEqual([]);
		}),
		{ numRuns: 150 },
	);
});

test("work on one thing after the other is never stopped, whatever is answered", () => {
	fc.assert(
		fc.property(
			fc.constantFrom("edit_file", "lint", "convert", "update"),
			fc.constantFrom("ok", "", "No problems found.", "1 replacement"),
			fc.integer({ min: 10, max: 80 }),
			(tool, observation, count) => {
				const work = Array.from({ length: count }, (_, index) => ({
					agent: "",
					tool,
					argsText: JSON.stringify({ path: `src/part-${index}.ts` }),
					observation,
					isError: false,
					costNanoUsd: 1n,
					tokens: 1_000 + index * 90,
				}));
				expect(observeAll(work).filter(({ severity }) => severity === "stop")).toEqual([]);
			},
		),
		{ numRuns: 60 },
	);
});

function judge(runs: readonly CorpusRun[]): Judgement {
	return judgeRuns(runs, (run) => {
		const { stop } = replay(run);
		return stop && { atStep: stop.atEvent, guard: stop.guard };
	});
}

test("of 2,100 drawn runs no loop is missed or stopped late, and nothing else is stopped", () => {
	// Seeds that the thresholds were not chosen on.
	const runs = [7_001, 7_002, 7_003].flatMap((seed) => generateCorpus({ seed, variants: 50 }));
	const judged = judge(runs);
	expect(runs).toHaveLength(2_100);
	expect([judged.missed, judged.late, judged.falseStops], renderJudgement(judged)).toEqual([0, 0, 0]);
	expect(judged.falseStopShareMax).toBeLessThan(0.005);
});

test("nor in runs of another hand", () => {
	const judged = judge(generateHeldOut({ seed: 11, variants: 25 }));
	expect([judged.loops, judged.legitimate]).toEqual([350, 300]);
	expect([judged.missed, judged.late, judged.falseStops], renderJudgement(judged)).toEqual([0, 0, 0]);
});
