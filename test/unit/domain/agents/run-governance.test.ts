import { describe, expect, test } from "vitest";
import { isRunOver, nextRunTimeMs, type RunGovernanceEvent, reduceRunGovernance, STOPPED_SHOWN_MS } from "#domain/agents/run-governance.ts";
import { emptyRunGovernance, guardWord, hasRoomForDecision, type RunGovernanceState, runUsedPercent, runWord } from "#domain/agents/run-governance-state.ts";
import { OPENED_AT_MS, snapshotOf } from "#test/support/run-snapshots.ts";

const HELD_AT_MS = OPENED_AT_MS + 50_000;
const DAY_MS = 86_400_000;

function play(...events: RunGovernanceEvent[]): RunGovernanceState {
	return events.reduce(reduceRunGovernance, emptyRunGovernance("r-7", "search"));
}

const paused = (version = 2): RunGovernanceEvent => ({ kind: "reported", snapshot: snapshotOf({ version, state: "paused" }) });
const passed = (nowMs: number): RunGovernanceEvent => ({ kind: "timePassed", nowMs });
const resumed: RunGovernanceEvent = { kind: "decided", by: "ann", reason: "it is fine", decision: { kind: "resume" } };

describe("reports", () => {
	test("of a lower version change nothing, those of the same one show what was taken since", () => {
		const held = play(paused(3));
		expect(reduceRunGovernance(held, { kind: "reported", snapshot: snapshotOf({ version: 2, readAtMs: OPENED_AT_MS + 61_000 }) })).toBe(held);
		const later = reduceRunGovernance(held, {
			kind: "reported",
			snapshot: snapshotOf({ version: 3, state: "paused", readAtMs: OPENED_AT_MS + 61_000, steps: 12 }),
		});
		expect(later.snapshot?.totals.steps).toBe(12);
		expect(reduceRunGovernance(later, paused(3))).toBe(later);
	});

	test("of another run are none", () => {
		const state = play(paused());
		expect(reduceRunGovernance(state, { kind: "reported", snapshot: snapshotOf({ runId: "r-8", version: 9 }) })).toBe(state);
	});

	test("of a database that was restored hold, although their version is lower; what the lost one had said does not", () => {
		const held = play(paused(9));
		const restored = reduceRunGovernance(held, { kind: "reported", snapshot: snapshotOf({ version: 4, readAtMs: OPENED_AT_MS + 200_000 }) });
		expect(restored.snapshot?.run.version).toBe("4");
		expect(reduceRunGovernance(restored, paused(9))).toBe(restored);
	});

	test("say state, guard and the fullest hard ceiling in tens", () => {
		const ceilings = [
			{ ofRunId: "r-7", kind: "steps" as const, at: "100", taken: "79" },
			{ ofRunId: "r-7", kind: "costNanoUsd" as const, at: "10", taken: "10", isSoft: true as const },
		];
		const state = play({ kind: "reported", snapshot: snapshotOf({ version: 2, state: "paused", more: { ceilings } }) });
		expect([runWord(state), guardWord(state), runUsedPercent(state)]).toEqual(["paused", "loop.repetition", 70]);
		const warned = snapshotOf({ more: { events: [{ seq: "1", atMs: 0, kind: "warned", detail: {} }], ceilings: [] } });
		const other = play({ kind: "reported", snapshot: warned });
		expect([runWord(other), guardWord(other), runUsedPercent(other)]).toEqual(["warned", "", 0]);
	});
});

describe("a decision", () => {
	test("is made on the version that is shown, and waits in the outbox until PostgreSQL holds it", () => {
		const state = play(paused(), resumed);
		expect(state.outbox).toEqual([
			{
				id: 1,
				kind: "decide",
				decision: { runId: "r-7", teamId: "search", by: "ann", reason: "it is fine", knownVersion: "2", decision: { kind: "resume" } },
			},
		]);
		expect(runWord(state)).toBe("paused");
		const done = reduceRunGovernance(state, { kind: "effectDone", id: 1, version: "3", snapshot: snapshotOf({ version: 3 }) });
		expect([done.outbox, runWord(done)]).toEqual([[], "running"]);
	});

	test("behind another of the same workflow is made on what that one leaves; behind one from elsewhere it is not", () => {
		const both = play(paused(), { kind: "decided", by: "ann", reason: "more", decision: { kind: "raise", limits: { steps: 5 } } }, resumed);
		const done = reduceRunGovernance(both, { kind: "effectDone", id: 1, version: "3", snapshot: snapshotOf({ version: 4, state: "stopped" }) });
		expect(done.outbox).toMatchObject([{ id: 2, decision: { knownVersion: "3" } }]);
	});

	test("that is refused is shown with who made it, and nothing of it holds", () => {
		const state = play(paused(), resumed, { kind: "effectRefused", id: 1, problem: "a\u0000b", snapshot: snapshotOf({ version: 4, state: "stopped" }) });
		expect(state).toMatchObject({ outbox: [], refused: { decision: "resume", by: "ann", problem: "a?b" } });
		expect(runWord(state)).toBe("stopped");
		expect(
			play(paused(), resumed, { kind: "effectRefused", id: 1, problem: "no", snapshot: null }, resumed, {
				kind: "effectDone",
				id: 2,
				version: "3",
				snapshot: null,
			}).refused,
		).toBeNull();
	});

	test("finds no room behind twenty that wait", () => {
		const full = play(paused(), ...Array.from({ length: 20 }, () => resumed));
		expect([hasRoomForDecision(play(paused())), hasRoomForDecision(full)]).toEqual([true, false]);
	});
});

describe("a pause that nobody answers", () => {
	const expired = HELD_AT_MS + 7 * DAY_MS;

	test("is reminded of after a day and a day before its end, once each, and after an outage once for both", () => {
		expect(nextRunTimeMs(play(paused()))).toBe(HELD_AT_MS + DAY_MS);
		const first = play(paused(), passed(HELD_AT_MS + DAY_MS - 1), passed(HELD_AT_MS + DAY_MS), passed(HELD_AT_MS + DAY_MS + 1));
		expect(first.outbox).toEqual([{ id: 1, kind: "remind", reminder: 1 }]);
		expect(nextRunTimeMs(first)).toBe(HELD_AT_MS + 6 * DAY_MS);
		expect(play(paused(), passed(HELD_AT_MS + 6 * DAY_MS + 5)).outbox).toEqual([{ id: 1, kind: "remind", reminder: 2 }]);
	});

	test("becomes a stop after a week, on the version that was told, once", () => {
		const state = play(paused(), passed(expired - 1), { kind: "effectDone", id: 1, version: null, snapshot: null }, passed(expired), passed(expired + 1));
		expect(state.outbox).toMatchObject([
			{ kind: "decide", decision: { by: "tollgate", knownVersion: "2", reason: "nobody answered within 168 hours", decision: { kind: "expire" } } },
		]);
		expect(nextRunTimeMs(state)).toBeNull();
	});

	test("that was answered meanwhile is not ended, and is not asked for again; of the next version it is", () => {
		const id = 1;
		const refused = play(
			paused(),
			passed(expired),
			{ kind: "effectRefused", id, problem: "is not the version of the run", snapshot: null },
			passed(expired + 1),
		);
		expect([refused.outbox, refused.refused, nextRunTimeMs(refused)]).toEqual([[], null, null]);
		const raised = reduceRunGovernance(refused, { kind: "reported", snapshot: snapshotOf({ version: 3, state: "paused" }) });
		expect(reduceRunGovernance(raised, passed(expired + 2)).outbox).toMatchObject([{ decision: { knownVersion: "3", decision: { kind: "expire" } } }]);
	});

	test("waits as long as the team's policy says", () => {
		const short = snapshotOf({ version: 2, state: "paused", pauseHours: 7 });
		expect(nextRunTimeMs(play({ kind: "reported", snapshot: short }))).toBe(HELD_AT_MS + 3_600_000);
		expect(play({ kind: "reported", snapshot: short }, passed(HELD_AT_MS + 7 * 3_600_000)).outbox).toMatchObject([{ kind: "decide" }]);
	});

	test("begins anew with the next hold", () => {
		const again = snapshotOf({ version: 4, state: "paused", heldAtMs: HELD_AT_MS + 2 * DAY_MS, readAtMs: HELD_AT_MS + 2 * DAY_MS });
		const state = play(
			paused(),
			passed(HELD_AT_MS + DAY_MS),
			{ kind: "effectDone", id: 1, version: null, snapshot: null },
			{ kind: "reported", snapshot: again },
		);
		expect(nextRunTimeMs(state)).toBe(HELD_AT_MS + 3 * DAY_MS);
	});
});

test("a workflow is over with its run, or a week after a stop, and never before what it decided is written", () => {
	const finished = play({ kind: "reported", snapshot: snapshotOf({ version: 3, state: "finished" }) });
	expect(isRunOver(finished, OPENED_AT_MS)).toBe(true);
	expect(isRunOver(emptyRunGovernance("r-7", "search"), OPENED_AT_MS)).toBe(false);
	expect(isRunOver(play(paused()), OPENED_AT_MS + 1e12)).toBe(false);
	const stopped = play({ kind: "reported", snapshot: snapshotOf({ version: 3, state: "stopped" }) });
	expect(nextRunTimeMs(stopped)).toBe(HELD_AT_MS + STOPPED_SHOWN_MS);
	expect([isRunOver(stopped, HELD_AT_MS + STOPPED_SHOWN_MS - 1), isRunOver(stopped, HELD_AT_MS + STOPPED_SHOWN_MS)]).toEqual([false, true]);
	expect(isRunOver(reduceRunGovernance(stopped, resumed), HELD_AT_MS + STOPPED_SHOWN_MS)).toBe(false);
});
