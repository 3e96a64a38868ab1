import { expect, test } from "vitest";
import { standingCeilings } from "#domain/agents/run-standing.ts";
import { snapshotOf } from "#test/support/run-snapshots.ts";

const { run, totals } = snapshotOf();
const root = {
	run: {
		...run,
		runId: "root",
		openedMsAgo: 70_000,
		pausedMs: 10_000,
		children: 3,
		limits: {
			width: { hard: { at: 20, action: "pause" } },
			elapsedMs: { hard: { at: 3_600_000, action: "pause" } },
			toolCalls: { "*": { hard: { at: 100, action: "pause" } }, search: { soft: { at: 5, action: "warn" } } },
			contextGrowthTokens: { hard: { at: 9_000, action: "pause" } },
		},
	},
	totals: { ...totals, toolCalls: { search: 9, fetch: 30 } },
};
const own = {
	run: {
		...run,
		limits: { depth: { hard: { at: 4, action: "pause" } }, steps: { hard: { at: 10, action: "stop" } }, costNanoUsd: { soft: { at: "5", action: "warn" } } },
	},
	totals: { ...totals, costNanoUsd: "-3" },
};

test("ceilings of the run come first, then those of the runs above, with what each run's tree has taken of it", () => {
	expect(standingCeilings([root, own])).toEqual([
		{ ofRunId: "r-7", kind: "costNanoUsd", at: "5", taken: "0", isSoft: true },
		{ ofRunId: "r-7", kind: "steps", at: "10", taken: "9" },
		{ ofRunId: "r-7", kind: "depth", at: "4", taken: "1" },
		{ ofRunId: "root", kind: "elapsedMs", at: "3600000", taken: "60000" },
		{ ofRunId: "root", kind: "toolCalls", tool: "*", at: "100", taken: "30" },
		{ ofRunId: "root", kind: "toolCalls", tool: "search", at: "5", taken: "9", isSoft: true },
		{ ofRunId: "root", kind: "width", at: "20", taken: "3" },
	]);
});

test("limits of a newer release are left out, and hide nothing else", () => {
	expect(standingCeilings([{ ...root, run: { ...root.run, limits: { moons: 3 } } }, own]).map(({ ofRunId }) => ofRunId)).toEqual(["r-7", "r-7", "r-7"]);
});
