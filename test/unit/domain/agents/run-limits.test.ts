import { describe, expect, test } from "vitest";
import { checkRunLimits, limitsAbove } from "#domain/agents/run-limits.ts";

function problemsOf(input: unknown): string[] {
	const checked = checkRunLimits(input);
	return checked.kind === "valid" ? [] : checked.problems.map(({ field, problem }) => `${field} ${problem}`);
}

test("a number is short for a pause there", () => {
	expect(checkRunLimits({ steps: 50, costNanoUsd: "2000000000", toolCalls: { "*": 20 } })).toEqual({
		kind: "valid",
		value: [
			{ kind: "steps", hard: { at: 50n, action: "pause" } },
			{ kind: "costNanoUsd", hard: { at: 2_000_000_000n, action: "pause" } },
			{ kind: "toolCalls", tool: "*", hard: { at: 20n, action: "pause" } },
		],
	});
});

test("soft and hard lines carry their actions", () => {
	const input = { inputTokens: { soft: { at: 100, action: "degrade", degradeTo: { large: "small" } }, hard: { at: 200, action: "stop" } } };
	expect(checkRunLimits(input)).toEqual({
		kind: "valid",
		value: [{ kind: "inputTokens", soft: { at: 100n, action: "degrade", degradeTo: { large: "small" } }, hard: { at: 200n, action: "stop" } }],
	});
});

describe("what contradicts itself is refused by its field", () => {
	test.each([
		[{ steps: { soft: 50, hard: 50 } }, "limits.steps.soft.at must be below the hard ceiling, which is 50"],
		[{ toolCalls: { "*": 5, search: 9 } }, "limits.toolCalls.search.hard.at must not be above what each tool may be called, which is 5"],
		[{ depth: 0, width: 3 }, "limits.width allows child runs, and a depth of 0 allows none"],
	])("%j", (input, problem) => {
		expect(problemsOf(input)).toEqual([problem]);
	});
});

test("every mistake is told at once", () => {
	const input = {
		stepz: 1,
		steps: 0,
		costNanoUsd: 5,
		elapsedMs: { hard: { at: 1.5, action: "explode" }, sofft: 1 },
		outputTokens: {},
		inputTokens: { soft: { at: 5, action: "degrade", degradeTo: { a: "b", b: "a" } } },
		outputBytes: { soft: { at: 5, degradeTo: { a: "b" } } },
		toolCalls: { "": 3 },
	};
	expect(problemsOf(input).map((problem) => problem.split(" ")[0])).toEqual([
		"limits.stepz",
		"limits.steps",
		"limits.costNanoUsd",
		"limits.elapsedMs.sofft",
		"limits.elapsedMs.hard.at",
		"limits.elapsedMs.hard.action",
		"limits.outputTokens",
		"limits.inputTokens.soft.degradeTo.a",
		"limits.outputBytes.soft.degradeTo",
		"limits.toolCalls.",
	]);
});

test.each([null, [], "50", 7])("%j is no limits", (input) => {
	expect(problemsOf(input)).toEqual(["limits must be an object with one entry per ceiling"]);
});

test("a child may not have more than its parent", () => {
	const outer = checkRunLimits({ steps: 50, costNanoUsd: "100", toolCalls: { "*": 5, mail: 2 } });
	const inner = checkRunLimits({ steps: 51, costNanoUsd: "100", toolCalls: { search: 6, mail: 3, read: 5 }, outputTokens: 10 });
	if (outer.kind === "invalid" || inner.kind === "invalid") throw new Error("the limits are sound");
	expect(limitsAbove(inner.value, outer.value, { field: "run.limits" })).toEqual([
		{ field: "run.limits.steps.hard.at", problem: "must not be above the parent's 50" },
		{ field: "run.limits.toolCalls.search.hard.at", problem: "must not be above the parent's 5" },
		{ field: "run.limits.toolCalls.mail.hard.at", problem: "must not be above the parent's 2" },
	]);
});
