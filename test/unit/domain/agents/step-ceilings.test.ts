import { expect, test } from "vitest";
import { type Ceiling, type CeilingVerdict, judgeCeilings, type RunTally } from "#domain/agents/ceilings.ts";
import { emptyTally } from "#domain/agents/run-tally.ts";
import { stepCeilings } from "#domain/agents/step-ceilings.ts";

const spent = {
	...emptyTally(3),
	costNanoUsd: 10n,
	inputTokens: 10,
	outputTokens: 10,
	steps: 10,
	outputBytes: 10,
	elapsedMs: 10,
	width: 10,
	contextGrowthTokens: 10,
};

function judgeStep(ceilings: readonly Ceiling[], tally: RunTally): readonly CeilingVerdict[] {
	return judgeCeilings(stepCeilings(ceilings), tally);
}

test("what budgets keep exactly is left to them, hard lines and lines that degrade", () => {
	const kinds = ["costNanoUsd", "inputTokens", "outputTokens", "steps"] as const;
	const ceilings = kinds.map((kind): Ceiling => ({ kind, soft: { at: 2n, action: "degrade", degradeTo: { big: "small" } }, hard: { at: 5n, action: "stop" } }));
	expect(judgeStep(ceilings, spent)).toEqual([]);
	expect(stepCeilings(ceilings)).toEqual([]);
});

test("their warnings are judged, also beyond the hard line, which is not", () => {
	const verdicts = judgeStep([{ kind: "steps", soft: { at: 8n, action: "warn" }, hard: { at: 9n, action: "pause" } }], spent);
	expect(verdicts).toMatchObject([{ guard: "ceiling.steps", severity: "warn", measured: 10n, threshold: 8n }]);
});

test("depth and width are held where a child is opened, and warn here", () => {
	const verdicts = judgeStep(
		[
			{ kind: "depth", soft: { at: 2n, action: "warn" }, hard: { at: 2n, action: "pause" } },
			{ kind: "width", hard: { at: 2n, action: "stop" } },
		],
		spent,
	);
	expect(verdicts.map(({ guard, severity }) => [guard, severity])).toEqual([["ceiling.depth", "warn"]]);
});

test("everything else holds or hands on", () => {
	const tally = { ...spent, toolCalls: { delete_file: 4 } };
	const verdicts = judgeStep(
		[
			{ kind: "outputBytes", soft: { at: 5n, action: "degrade", degradeTo: { big: "small" } } },
			{ kind: "elapsedMs", hard: { at: 10n, action: "pause" } },
			{ kind: "toolCalls", tool: "delete_file", hard: { at: 3n, action: "stop" } },
			{ kind: "contextGrowthTokens", hard: { at: 10n, action: "pause" } },
		],
		tally,
	);
	expect(verdicts.map(({ guard, severity }) => [guard, severity])).toEqual([
		["ceiling.toolCalls", "stop"],
		["ceiling.elapsedMs", "pause"],
		["ceiling.outputBytes", "degrade"],
	]);
});
