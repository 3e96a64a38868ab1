import { expect, test } from "vitest";
import type { AgentRunView } from "#clients/administration-client.ts";
import { describeRun, runTable } from "#clients/command-line/describe-run.ts";
import { LOOP_HOLD } from "#test/support/run-snapshots.ts";

const paused: AgentRunView = {
	runId: "r-7",
	teamId: "search",
	keyId: "key_1",
	origin: "header",
	state: "paused",
	hold: { ...LOOP_HOLD },
	heldAt: "2026-11-26T10:00:50Z",
	endsAt: "2026-12-03T10:00:50Z",
	version: "2",
	rootRunId: "root",
	parentRunId: "middle",
	workflow: null,
	children: 2,
	forgiven: 0,
	openedAt: "2026-11-26T10:00:00Z",
	pausedMs: 10_000,
	limits: {},
	totals: { costNanoUsd: "120000000", inputTokens: 1_200, outputTokens: 300, steps: 9, outputBytes: 4_096, toolCalls: { search: 8, fetch: 1 } },
	ceilings: [
		{ ofRunId: "r-7", kind: "costNanoUsd", at: "5000000000", taken: "120000000" },
		{ ofRunId: "root", kind: "toolCalls", tool: "*", at: "0", taken: "8" },
		{ ofRunId: "root", kind: "moons", at: "4", taken: "3", isSoft: true },
	],
	steps: [{ at: "2026-11-26T10:00:49Z", requestId: "req_9", model: "gpt-test", costNanoUsd: "14000000", tokens: 170, outcome: "settled" }],
	events: [
		{ at: "2026-11-26T10:00:00Z", kind: "opened", detail: { origin: "header" } },
		{ at: "2026-11-26T10:00:50Z", kind: "paused", detail: { guard: "loop.repetition", by: "gateway g1", evidence: LOOP_HOLD.evidence } },
	],
};

test("a paused run: which guard and why, ceilings, steps, history, and what can be done", () => {
	expect(describeRun(paused)).toBe(`r-7 of team search: paused by loop.repetition
  why      the call \`search({"q":"x"})\` and its result repeated 9 times in 9 steps (measured 9, line 9)
  held     by gateway g1 since 2026-11-26T10:00:50Z, pau_0123456789abcdef; becomes a stop 2026-12-03T10:00:50Z
  opened   2026-11-26T10:00:00Z (header), below middle, root root
  spent    0.12 USD in 9 steps, 1200 input and 300 output tokens, 9 tool calls, 2 child runs counted in
  version  2

CEILING       OF    AT        TAKEN     USED
costNanoUsd   r-7   5.00 USD  0.12 USD  2 %
toolCalls *   root  0 times   8 times   -
moons (soft)  root  4         3         75 %

Last 1 of 9 steps:
TIME                  MODEL     TOKENS  COST       OUTCOME  REQUEST
2026-11-26T10:00:49Z  gpt-test  170     0.014 USD  settled  req_9

TIME                  EVENT                     BY          WHY
2026-11-26T10:00:00Z  opened                    -           -
2026-11-26T10:00:50Z  paused (loop.repetition)  gateway g1  the call \`search({"q":"x"})\` and its result repeated 9 times in 9 steps

Let it go on: npx tollgate run resume r-7 --reason WHY
Stop it: npx tollgate run stop r-7 --reason WHY`);
});

test("what can be done fits what holds it", () => {
	const last = (run: AgentRunView) => describeRun(run).split("\n\n").at(-1);
	const ceiling = { ...LOOP_HOLD, guard: "ceiling.costNanoUsd" };
	expect(last({ ...paused, hold: ceiling })).toMatch(/^Let it go on: npx tollgate run resume r-7 --approve-usd USD --reason WHY\nStop it/);
	expect(last({ ...paused, hold: { ...ceiling, ofRunId: "root" } })).toMatch(
		/^Raise what holds it: npx tollgate run raise root --usd USD --reason WHY\nStop it/,
	);
	expect(last({ ...paused, state: "stopped", hold: { ...LOOP_HOLD, state: "stopped" } })).toBe("Let it go on: npx tollgate run resume r-7 --reason WHY");
	expect(last({ ...paused, state: "running", hold: null })).toBe("Stop it: npx tollgate run stop r-7 --reason WHY");
	expect(describeRun({ ...paused, state: "finished", hold: null, ceilings: [], steps: [], events: [] })).not.toContain("npx");
});

test("a list: who stands, and why", () => {
	const item = {
		number: "7",
		runId: "r-7",
		teamId: "search",
		state: "paused" as const,
		origin: "header" as const,
		version: "2",
		costNanoUsd: "120000000",
		steps: 9,
	};
	const rows = [
		{ ...item, openedAt: "2026-11-26T10:00:00Z", hold: { ...LOOP_HOLD } },
		{ ...item, openedAt: "2026-11-26T09:00:00Z", runId: "r-6", hold: { ...LOOP_HOLD, guard: "ceiling.steps", ofRunId: "root" } },
		{ ...item, openedAt: "2026-11-26T08:00:00Z", runId: "r-5", state: "running" as const, hold: null },
	];
	expect(runTable(rows)).toBe(`RUN  TEAM    STATE    COST      STEPS  OPENED                WHY
r-7  search  paused   0.12 USD  9      2026-11-26T10:00:00Z  loop.repetition
r-6  search  paused   0.12 USD  9      2026-11-26T09:00:00Z  ceiling.steps of root
r-5  search  running  0.12 USD  9      2026-11-26T08:00:00Z  -`);
	expect(runTable([])).toBe("(none)");
});
