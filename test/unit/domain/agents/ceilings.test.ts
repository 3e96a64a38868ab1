import { describe, expect, test } from "vitest";
import { type Ceiling, judgeCeilings, type RunTally } from "#domain/agents/ceilings.ts";

const TALLY: RunTally = {
	costNanoUsd: 0n,
	inputTokens: 0,
	outputTokens: 0,
	steps: 0,
	outputBytes: 0,
	elapsedMs: 0,
	toolCalls: {},
	depth: 0,
	width: 0,
	contextGrowthTokens: 0,
	lastInputTokens: 0,
};

describe("a ceiling", () => {
	test("soft warns, hard pauses, and each says what was measured against which line", () => {
		const steps: Ceiling = { kind: "steps", soft: { at: 40n, action: "warn" }, hard: { at: 50n, action: "pause" } };
		expect(judgeCeilings([steps], { ...TALLY, steps: 39 })).toEqual([]);
		expect(judgeCeilings([steps], { ...TALLY, steps: 40 })).toEqual([
			{ guard: "ceiling.steps", severity: "warn", measured: 40n, threshold: 40n, evidence: "the run has taken 40 steps; the ceiling is 40 steps" },
		]);
		expect(judgeCeilings([steps], { ...TALLY, steps: 50 })).toMatchObject([{ severity: "pause", threshold: 50n }]);
	});

	test("of money is told in dollars", () => {
		const cost: Ceiling = { kind: "costNanoUsd", hard: { at: 2_500_000_000n, action: "stop" } };
		expect(judgeCeilings([cost], { ...TALLY, costNanoUsd: 2_600_000_000n })).toMatchObject([
			{ severity: "stop", evidence: "the run has spent 2.60 USD; the ceiling is 2.50 USD" },
		]);
	});

	test("may have a cheaper model serve what follows", () => {
		const tokens: Ceiling = { kind: "outputTokens", soft: { at: 10n, action: "degrade", degradeTo: { large: "small" } } };
		expect(judgeCeilings([tokens], { ...TALLY, outputTokens: 10 })).toMatchObject([{ severity: "degrade", degradeTo: { large: "small" } }]);
	});

	test.each<[Ceiling["kind"], Partial<RunTally>, Partial<RunTally>]>([
		["depth", { depth: 2 }, { depth: 3 }],
		["width", { width: 2 }, { width: 3 }],
		["contextGrowthTokens", { contextGrowthTokens: 2 }, { contextGrowthTokens: 3 }],
	])("of %s is what is allowed", (kind, allowed, beyond) => {
		const ceiling: Ceiling = { kind, hard: { at: 2n, action: "stop" } };
		expect(judgeCeilings([ceiling], { ...TALLY, ...allowed })).toEqual([]);
		expect(judgeCeilings([ceiling], { ...TALLY, ...beyond })).toHaveLength(1);
	});

	test.each<[Ceiling["kind"], Partial<RunTally>]>([
		["inputTokens", { inputTokens: 2 }],
		["outputBytes", { outputBytes: 2 }],
		["elapsedMs", { elapsedMs: 2 }],
	])("of %s is reached by its amount", (kind, reached) => {
		const ceiling: Ceiling = { kind, hard: { at: 2n, action: "stop" } };
		expect(judgeCeilings([ceiling], { ...TALLY, ...reached })).toHaveLength(1);
	});

	test("a clock that went back reaches nothing", () => {
		expect(judgeCeilings([{ kind: "elapsedMs", hard: { at: 1n, action: "pause" } }], { ...TALLY, elapsedMs: -5_000 })).toEqual([]);
	});
});

test("calls are counted by tool, for one tool or for each by itself", () => {
	const tally = {
		...TALLY,
		toolCalls: { search: 4, mail: 1 },
	};
	const every: Ceiling = { kind: "toolCalls", tool: "*", hard: { at: 3n, action: "pause" } };
	const none: Ceiling = { kind: "toolCalls", tool: "mail", hard: { at: 0n, action: "stop" } };
	expect(judgeCeilings([every, none], tally)).toMatchObject([
		{ tool: "mail", severity: "stop", evidence: "the tool mail was called 1 time; the ceiling is 0 times" },
		{ tool: "search", severity: "pause" },
	]);
	expect(judgeCeilings([none], { ...TALLY, toolCalls: { search: 4 } })).toEqual([]);
});
