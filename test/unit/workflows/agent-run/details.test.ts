import { describe, expect, test } from "vitest";
import { type RunGovernanceEvent, reduceRunGovernance } from "#domain/agents/run-governance.ts";
import { emptyRunGovernance, type RunGovernanceState } from "#domain/agents/run-governance-state.ts";
import { LOOP_HOLD, OPENED_AT_MS, snapshotOf } from "#test/support/run-snapshots.ts";
import { renderRunDetails } from "#workflows/agent-run/details.ts";

const BYTES_MAX = 20_000;
const HOSTILE = '"한]|`*<b>\\\n\u0000\u0007\u202e\u2028\ud800';

function play(...events: RunGovernanceEvent[]): RunGovernanceState {
	return events.reduce(reduceRunGovernance, emptyRunGovernance("r-7", "search"));
}

test("a paused run: state, guard and evidence, what can be done, spend against ceilings, steps, history", () => {
	const state = play(
		{ kind: "reported", snapshot: snapshotOf({ version: 2, state: "paused" }) },
		{ kind: "decided", by: "ann", reason: "r", decision: { kind: "resume" } },
		{ kind: "effectRefused", id: 1, problem: "limits.steps.hard.at: of the run r-7 holds it: raise it above 9", snapshot: null },
	);
	expect(renderRunDetails(state)).toBe(`## Run r-7 of team search: paused

**loop.repetition:** the call  search({"q":"x"})  and its result repeated 9 times in 9 steps (measured 9, line 9).
Held by gateway g1 since 2026-11-26T10:00:50Z. Unless somebody answers, it becomes a stop at 2026-12-03T10:00:50Z.

**Not carried out:** resume by ann: limits.steps.hard.at: of the run r-7 holds it: raise it above 9

What can be done; amounts are new totals, money in nano-USD:

- go on: \`resumeRun\` \`{"by":"YOUR NAME","reason":"WHY"}\`
- go on with more: \`approveMore\` \`{"limits":{"costNanoUsd":"10000000000"},"by":"YOUR NAME","reason":"WHY"}\`
- raise a ceiling: \`raiseRun\` \`{"limits":{"steps":500},"by":"YOUR NAME","reason":"WHY"}\`
- stop: \`stopRun\` \`{"by":"YOUR NAME","reason":"WHY"}\`
- without Temporal: \`npx tollgate run show r-7\`

Spent 0.12 USD in 9 steps, 1200 input and 300 output tokens, 9 tool calls, since 2026-11-26T10:00:00Z (header).

| ceiling | at | taken | used |
| --- | ---: | ---: | ---: |
| costNanoUsd | 5.00 USD | 0.12 USD | 2 % |

Last 2 of 9 steps:

| time | model | tokens | cost | outcome | request |
| --- | --- | ---: | ---: | --- | --- |
| 2026-11-26T10:00:40Z | gpt-test | 160 | 0.013 USD | settled | \`req_8\` |
| 2026-11-26T10:00:49Z | gpt-test | 170 | 0.014 USD | settled | \`req_9\` |

What happened:

- 2026-11-26T10:00:00Z opened
- 2026-11-26T10:00:50Z paused (loop.repetition) by gateway g1: the call  search({"q":"x"})  and its result repeated 9 times in 9 steps

Version 2.`);
});

test("a run that nobody told of yet, one that runs without ceilings, and one that has ended", () => {
	expect(renderRunDetails(play())).toBe("## Run r-7 of team search: running\n\nNothing was told of this run yet.");
	const running = renderRunDetails(play({ kind: "reported", snapshot: snapshotOf({ more: { ceilings: [], steps: [] } }) }));
	expect(running).toContain("No ceiling is stated");
	expect(running).not.toMatch(/resumeRun|approveMore|Last \d/);
	expect(renderRunDetails(play({ kind: "reported", snapshot: snapshotOf({ version: 3, state: "finished" }) }))).not.toContain("What can be done");
});

test("a run that one above it holds says whose ceiling it is, and a stop is not stopped again", () => {
	const hold = { ...LOOP_HOLD, state: "stopped" as const, guard: "ceiling.steps" as const, ofRunId: "root" };
	const more = { rootRunId: "root", parentRunId: "middle", ceilings: [{ ofRunId: "root", kind: "toolCalls" as const, tool: "*", at: "0", taken: "3" }] };
	const text = renderRunDetails(play({ kind: "reported", snapshot: snapshotOf({ version: 2, state: "stopped", hold, more }) }));
	expect(text).toContain("**ceiling.steps of run root:**");
	expect(text).toContain("| toolCalls * of root | 0 times | 3 times | – |".replace("*", " "));
	expect(text).toContain("Below middle, root root.");
	expect(text).not.toContain("stopRun");
});

describe("what agents and people wrote", () => {
	test.each(["x", "한", '"', "🙂", HOSTILE])("full of %j stays within 20,000 bytes and loses steps before anything else", (letter) => {
		const long = letter.repeat(600);
		const ceilings = Array.from({ length: 100 }, () => ({
			ofRunId: "r".repeat(128),
			kind: "toolCalls" as const,
			tool: long,
			at: "9".repeat(30),
			taken: "9".repeat(30),
		}));
		const steps = Array.from({ length: 20 }, () => ({
			...{ atMs: OPENED_AT_MS, requestId: long, model: long, costNanoUsd: "9".repeat(30), tokens: 9e15, outcome: long },
		}));
		const events = Array.from({ length: 20 }, (_, seq) => ({
			seq: String(seq),
			atMs: OPENED_AT_MS,
			kind: long,
			detail: { guard: long, by: long, reason: long },
		}));
		const hold = { ...LOOP_HOLD, evidence: long, measured: long, threshold: long, by: long };
		const more = { ceilings, steps, events, rootRunId: "s".repeat(128), parentRunId: "p".repeat(128) };
		const state = play(
			{ kind: "reported", snapshot: snapshotOf({ version: 2, state: "paused", hold, more }) },
			{ kind: "decided", by: long, reason: long, decision: { kind: "stop" } },
			{ kind: "effectRefused", id: 1, problem: long, snapshot: null },
		);
		const text = renderRunDetails(state);
		expect(Buffer.byteLength(JSON.stringify(text))).toBeLessThanOrEqual(BYTES_MAX);
		expect(text).toMatch(/\n\d+ more ceilings\.\n/);
		expect(text).toContain("What happened:");
	});

	test("cannot become Markdown, break a line or turn the direction of reading", () => {
		const state = play({ kind: "reported", snapshot: snapshotOf({ version: 2, state: "paused", hold: { ...LOOP_HOLD, evidence: HOSTILE } }) });
		const line = renderRunDetails(state)
			.split("\n")
			.find((text) => text.startsWith("**loop.repetition:**"));
		expect(line).toMatch(/^\*\*loop\.repetition:\*\* "한[ b/]* \(measured 9, line 9\)\.$/);
	});
});
