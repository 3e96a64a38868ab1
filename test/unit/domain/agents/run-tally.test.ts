import { expect, test } from "vitest";
import { addTallies, emptyTally, foldStep, OTHER_TOOLS, TOOLS_COUNTED_MAX } from "#domain/agents/run-tally.ts";

const step = { costNanoUsd: 5n, inputTokens: 100, outputTokens: 10, outputBytes: 40, toolNames: ["search", "search", "__proto__"] };

test("steps add up, and context growth is that of the last", () => {
	const tally = foldStep(foldStep(foldStep(emptyTally(2), step), { ...step, inputTokens: 250 }), { ...step, inputTokens: 130, toolNames: [] });
	expect(tally).toMatchObject({
		costNanoUsd: 15n,
		inputTokens: 480,
		outputTokens: 30,
		steps: 3,
		outputBytes: 120,
		depth: 2,
		contextGrowthTokens: 0,
		lastInputTokens: 130,
	});
	expect(foldStep(foldStep(emptyTally(0), step), { ...step, inputTokens: 250 }).contextGrowthTokens).toBe(150);
	expect(Object.entries(tally.toolCalls)).toEqual([
		["search", 4],
		["__proto__", 2],
	]);
});

test("a first step has grown from nothing, which is no growth", () => {
	expect(foldStep(emptyTally(0), step).contextGrowthTokens).toBe(0);
});

test("ever new tools are counted together", () => {
	const toolNames = Array.from({ length: 100 }, (_, index) => `tool${index}`);
	const { toolCalls } = foldStep(emptyTally(0), { ...step, toolNames });
	expect(Object.keys(toolCalls)).toHaveLength(TOOLS_COUNTED_MAX + 1);
	expect(toolCalls[OTHER_TOOLS]).toBe(100 - TOOLS_COUNTED_MAX);
});

test("a tool that a ceiling names is counted by itself, however many were called before it", () => {
	const toolNames = [...Array.from({ length: 100 }, (_, index) => `tool${index}`), "send_mail", "send_mail"];
	expect(foldStep(emptyTally(0), { ...step, toolNames }, new Set(["send_mail"])).toolCalls["send_mail"]).toBe(2);
});

test("a tree's tally is the sum of what its runs took", () => {
	const own = foldStep(emptyTally(0), step);
	const child = foldStep(emptyTally(1), { ...step, toolNames: ["mail"] });
	expect(addTallies(own, [child, child])).toMatchObject({ costNanoUsd: 15n, steps: 3, inputTokens: 300, depth: 0, lastInputTokens: 100 });
	expect(addTallies(own, [child, child]).toolCalls).toMatchObject({ search: 2, mail: 2 });
});
