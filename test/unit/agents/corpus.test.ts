import { describe, expect, test } from "vitest";
import { readCorpus, renderProblems, writeCorpus } from "#test/agents/corpus-file.ts";
import { type CorpusRun, deadlineStep, isLoop, periodOf } from "#test/agents/corpus-run.ts";
import { generateCorpus } from "#test/agents/generate-corpus.ts";
import { judgeRuns, renderJudgement } from "#test/agents/judge-runs.ts";
import { upperBound } from "#test/agents/upper-bound.ts";

const event = { tool: "search", args: { q: "x" }, observation: "y", isError: false, costNanoUsd: "10", tokens: 5 };
const run: CorpusRun = { runId: "r1", label: "loop:exact", onsetStep: 4, events: Array.from({ length: 12 }, () => event) };

describe("the generator", () => {
	const corpus = generateCorpus({ seed: 5, variants: 6 });

	test("draws the same runs from the same seed, and more variants leave the first as they are", () => {
		expect(generateCorpus({ seed: 5, variants: 6 })).toEqual(corpus);
		const more = new Map(generateCorpus({ seed: 5, variants: 8 }).map((found) => [found.runId, found]));
		expect(corpus.map(({ runId }) => more.get(runId))).toEqual(corpus);
		expect(generateCorpus({ seed: 6, variants: 6 }).map(({ events }) => events)).not.toEqual(corpus.map(({ events }) => events));
	});

	test("has seven kinds of loops and seven of runs that look like them", () => {
		const labels = [...new Set(corpus.map(({ label }) => label))];
		expect(labels.filter((label) => label.startsWith("loop:"))).toHaveLength(7);
		expect(labels.filter((label) => label.startsWith("legitimate:"))).toHaveLength(7);
	});

	test("exact loops have completed their repeats at the onset, and not before", () => {
		for (const found of corpus.filter(({ label }) => ["loop:exact", "loop:alternating", "loop:period"].includes(label))) {
			const { events } = found;
			const onset = found.onsetStep ?? 0;
			const period = periodOf(found);
			const repeats = found.label === "loop:exact" ? 4 : 3;
			const written = events.map((each) => JSON.stringify([each.tool, each.args, each.observation]));
			const first = onset - repeats * period;
			for (let at = first + period; at < onset; at += 1) expect(written[at]).toBe(written[at - period]);
			expect(written.indexOf(written[first] ?? "")).toBe(first);
		}
	});

	test("loops go on beyond their deadline", () => {
		for (const found of corpus.filter(isLoop)) expect(found.events.length).toBeGreaterThanOrEqual(deadlineStep(found));
	});
});

describe("a corpus file", () => {
	test("is read as it was written", () => {
		const corpus = generateCorpus({ seed: 2, variants: 2 });
		expect(readCorpus(writeCorpus(corpus))).toEqual({ kind: "read", runs: corpus });
	});

	test("takes costs as numbers and blank lines", () => {
		const text = `\uFEFF\n${JSON.stringify({ ...run, events: [{ ...event, costNanoUsd: 10 }], onsetStep: 1 })}\r\n\n`;
		expect(readCorpus(text)).toMatchObject({ kind: "read", runs: [{ runId: "r1", events: [event] }] });
	});

	test("every mistake is told by line and field, and nothing is read", () => {
		const lines = [
			run,
			{ ...run, runId: "a b", label: "loop", events: [{ ...event, args: 3, tokens: -1 }, 5] },
			{ ...run, runId: "r3", onsetStep: 13 },
			{ ...run, runId: "r4", label: "legitimate:map", extra: 1 },
			{ ...run, label: "legitimate:map", onsetStep: null },
			{ runId: "r6", label: "legitimate:map", events: [{ tool: "", observation: 1, isError: "no", costNanoUsd: "1.5", tokens: 1.5, args: {} }] },
		];
		const read = readCorpus(`${lines.map((line) => JSON.stringify(line)).join("\n")}\nnonsense\n`);
		if (read.kind === "read") throw new Error("mistakes were read");
		expect(
			renderProblems(read.problems)
				.split("\n")
				.map((line) => line.split(":")[0]),
		).toEqual([
			"line 2, events[0].args",
			"line 2, events[0].tokens",
			"line 2, events[1]",
			"line 2, runId",
			"line 2, label",
			"line 3, onsetStep",
			"line 4, extra",
			"line 4, onsetStep",
			"line 5, runId",
			"line 6, events[0].tool",
			"line 6, events[0].observation",
			"line 6, events[0].isError",
			"line 6, events[0].costNanoUsd",
			"line 6, events[0].tokens",
			"line 7",
		]);
	});

	test("without a run is a mistake", () => {
		expect(readCorpus("\n")).toEqual({ kind: "invalid", problems: [{ line: 1, field: "", problem: "the file holds no run" }] });
	});
});

describe("the judge", () => {
	test("gives a loop six steps, or two periods, after its onset", () => {
		expect(deadlineStep(run)).toBe(10);
		const cycle = Array.from({ length: 30 }, (_, index) => ({ ...event, tool: `t${index % 5}` }));
		expect(deadlineStep({ ...run, onsetStep: 15, events: cycle })).toBe(25);
	});

	test("tells misses, late stops and false stops apart", () => {
		const legitimate: CorpusRun = { ...run, runId: "r5", label: "legitimate:map", onsetStep: null };
		const runs = [run, { ...run, runId: "r2" }, { ...run, runId: "r3" }, legitimate, { ...legitimate, runId: "r6" }];
		const ends = new Map([
			["r1", 10],
			["r2", 11],
			["r5", 3],
		]);
		const judged = judgeRuns(runs, ({ runId }) => (ends.has(runId) ? { atStep: ends.get(runId) ?? 0, guard: "loop.repetition" } : undefined));
		expect(judged).toMatchObject({ loops: 3, legitimate: 2, missed: 1, late: 1, falseStops: 1, wrong: ["r2", "r3", "r5"] });
		expect(renderJudgement(judged)).toContain("false stops: 1 of 2 legitimate runs");
	});

	test("bounds the share of false stops by what was seen", () => {
		expect(upperBound(0, 500)).toBeCloseTo(1 - 0.05 ** (1 / 500), 10);
		expect(upperBound(1, 10)).toBeCloseTo(0.3942, 3);
		expect(upperBound(10, 10)).toBe(1);
	});
});
