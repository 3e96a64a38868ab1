import { expect, test } from "vitest";
import { runBudgets } from "#domain/agents/run-budgets.ts";
import { newPauseId, newRunId, runIdProblem } from "#domain/agents/run-ids.ts";
import { checkRunLimits } from "#domain/agents/run-limits.ts";

function budgetsOf(input: unknown): ReturnType<typeof runBudgets> {
	const limits = checkRunLimits(input);
	if (limits.kind === "invalid") throw new Error(JSON.stringify(limits.problems));
	return runBudgets(limits.value);
}

test("hard ceilings on money, tokens and steps are budgets, and the others are none", () => {
	const input = { steps: 9, outputTokens: 8, inputTokens: 7, costNanoUsd: "6", elapsedMs: 5, toolCalls: { "*": 4 }, depth: 3, width: 2, outputBytes: 1 };
	expect(budgetsOf(input)).toEqual([
		{ unit: "nano_usd", limitAmount: "6", thresholds: [] },
		{ unit: "input_tokens", limitAmount: "7", thresholds: [] },
		{ unit: "output_tokens", limitAmount: "8", thresholds: [] },
		{ unit: "steps", limitAmount: "9", thresholds: [] },
	]);
});

test("a soft ceiling that degrades is a line of its budget, without a hard one below the largest limit there is", () => {
	const degrade = { action: "degrade", degradeTo: { big: "small" } };
	expect(budgetsOf({ steps: { soft: { at: 3, ...degrade }, hard: 9 }, costNanoUsd: { soft: { at: "5", ...degrade } } })).toEqual([
		{ unit: "nano_usd", limitAmount: "1000000000000000000", thresholds: [{ action: "degrade", at: { amount: "5" }, degradeTo: { big: "small" } }] },
		{ unit: "steps", limitAmount: "9", thresholds: [{ action: "degrade", at: { amount: "3" }, degradeTo: { big: "small" } }] },
	]);
});

test("a soft ceiling that warns makes no budget", () => {
	expect(budgetsOf({ steps: { soft: 3 } })).toEqual([]);
	expect(budgetsOf({ steps: { soft: 3, hard: 4 } })).toEqual([{ unit: "steps", limitAmount: "4", thresholds: [] }]);
});

test("ids that are made are ids, and of those that are named the rule is told", () => {
	const random = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, index) => index * 17);
	expect(newPauseId(random)).toBe("pau_0011223344556677");
	expect(runIdProblem(newRunId(random))).toBeUndefined();
	for (const runId of ["a", "job-7/2", "", "-a", "a b", "ä", "a\n", "x".repeat(129)]) {
		expect(runIdProblem(runId) === undefined).toBe(runId === "a");
	}
});
