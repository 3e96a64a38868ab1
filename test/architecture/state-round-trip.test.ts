import { defaultPayloadConverter } from "@temporalio/common";
import { expect, test } from "vitest";
import { type RunGovernanceEvent, reduceRunGovernance } from "#domain/agents/run-governance.ts";
import { emptyRunGovernance } from "#domain/agents/run-governance-state.ts";
import { nextCollectorMove } from "#domain/batching/collector-plan.ts";
import { type CollectorEvent, reduceCollector } from "#domain/batching/collector-reducer.ts";
import { type CollectorState, emptyCollector } from "#domain/batching/collector-state.ts";
import { nextMove } from "#domain/batching/job-plan.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { driveJob, openJobStand } from "#test/support/batch-job-stand.ts";
import { collectorPicture, STARTS_AT_MS } from "#test/support/collector-pictures.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { collectorScope } from "#test/support/memory-collector.ts";
import { OPENED_AT_MS, snapshotOf } from "#test/support/run-snapshots.ts";

/** The default converter throws on bigint and silently empties a Map or a Set: state must be plain JSON. */
const day: BudgetDefinition = {
	...DAILY_BUDGET,
	fiscalYearStart: 4,
	mode: "observe",
	thresholds: [
		{ action: "notify", at: { basisPoints: 8000 } },
		{ action: "degrade", at: { basisPoints: 8500 }, degradeTo: { dear: "cheap" } },
		{ action: "needApproval", at: { amount: "900" } },
	],
};
const lifetime: BudgetDefinition = {
	...day,
	dimension: "user",
	dimensionValue: "ann",
	unit: "tokens",
	windowKind: "lifetime",
	mode: "enforce",
	thresholds: [],
};
const succeeded = { kind: "succeeded", httpStatus: 200, requestId: null, body: '{"usage":1}' } as const;
const report = { granted: "950", posted: "950", overrun: "1", leases: 2, refusals: 3, version: 9 };

const events: TeamBudgetEvent[] = [
	{ kind: "loaded", revision: 4, isFrozen: false, budgets: [day], windows: [{ ...report, key: selectorKey(day), startsAtMs: 0, endsAtMs: 86_400_000 }] },
	{ kind: "policyApplied", mode: "patch", set: [lifetime], removeKeys: [], requestedBy: "ann" },
	{
		kind: "totalsReported",
		report: {
			windows: [{ ...report, key: selectorKey(lifetime), startsAtMs: 0, endsAtMs: null }],
			lastRefusals: [{ atMs: 1, key: selectorKey(day), code: "budget.exceeded", requestId: "r" }],
		},
	},
	{ kind: "timePassed", nowMs: 86_400_001 },
	{ kind: "freezeChanged", isFrozen: true, reason: "test", requestedBy: "ann" },
	{ kind: "effectDone", id: 1, heldRevision: null },
];

function roundTrip<Value>(value: Value): Value {
	return defaultPayloadConverter.fromPayload<Value>(defaultPayloadConverter.toPayload(value)!);
}

test("a team's state survives the default converter after every kind of event", () => {
	let state: TeamBudgetState = emptyTeamBudget("demo");
	expect(roundTrip(state)).toEqual(state);
	for (const event of events) {
		state = reduceTeamBudget(state, event).state;
		expect(roundTrip(state)).toStrictEqual(state);
	}
	expect(state.outbox.length).toBeGreaterThan(2);
	expect(state.budgets.every(({ window }) => window !== null)).toBe(true);
});

test("deciding on state that crossed the wire is deciding on the state itself", () => {
	let direct: TeamBudgetState = emptyTeamBudget("demo");
	let carried: TeamBudgetState = emptyTeamBudget("demo");
	for (const event of events) {
		direct = reduceTeamBudget(direct, event).state;
		carried = reduceTeamBudget(roundTrip(carried), roundTrip(event)).state;
	}
	expect(carried).toStrictEqual(direct);
});

test("a run's state survives the default converter after every kind of event, and decisions on it are the same", () => {
	const week = 7 * 86_400_000;
	const runEvents: RunGovernanceEvent[] = [
		{ kind: "reported", snapshot: snapshotOf({ version: 2, state: "paused" }) },
		{ kind: "decided", by: "ann", reason: "more", decision: { kind: "raise", limits: { steps: 5 } } },
		{ kind: "effectDone", id: 1, version: "3", snapshot: snapshotOf({ version: 3, state: "paused" }) },
		{ kind: "decided", by: "ann", reason: "fine", decision: { kind: "resume" } },
		{ kind: "effectRefused", id: 2, problem: "no", snapshot: null },
		{ kind: "timePassed", nowMs: OPENED_AT_MS + week / 2 },
		{ kind: "timePassed", nowMs: OPENED_AT_MS + 2 * week },
	];
	let direct = emptyRunGovernance("r-7", "search");
	let carried = emptyRunGovernance("r-7", "search");
	for (const event of runEvents) {
		direct = reduceRunGovernance(direct, event);
		carried = reduceRunGovernance(roundTrip(carried), roundTrip(event));
		expect(roundTrip(direct)).toStrictEqual(direct);
		expect(carried).toStrictEqual(direct);
	}
	expect(direct.outbox.map(({ kind }) => kind)).toEqual(["remind", "decide"]);
	expect(direct.refused).not.toBeNull();
});

test("a batch's state survives the default converter after every kind of event, and decisions on it are the same", async () => {
	const stand = openJobStand({
		items: 4,
		rules: { mayResubmit: true, mayRelane: false },
		script: { truncations: [2], itemOf: (name, customId) => (name === "i-1" && customId.endsWith("-1") ? { kind: "expired" } : succeeded) },
	});
	const seen = new Set<string>();
	const end = await driveJob(stand, {
		faultOf: (step, at) => (step.kind === "create" && at < 8 ? "lost" : "none"),
		onStep: (step, state) => {
			seen.add(step.kind);
			expect(roundTrip(state)).toStrictEqual(state);
			expect(nextMove(roundTrip(state), stand.clock.nowMs)).toStrictEqual(nextMove(state, stand.clock.nowMs));
		},
	});
	expect(roundTrip(end)).toStrictEqual(end);
	expect([...seen].sort()).toEqual(["again", "collect", "create", "finish", "poll", "read", "upload", "writeParts"]);
});

test("a collector's state survives the default converter after every kind of event, and decisions on it are the same", () => {
	const nowMs = STARTS_AT_MS;
	const collectorEvents: CollectorEvent[] = [
		{ kind: "failed", step: { kind: "read" }, message: "away", nowMs, jitter: 0.5 },
		{ kind: "told" },
		{ kind: "read", picture: collectorPicture([{ items: 95, of: { deadlineMs: nowMs + 1 } }, { batchId: "batch_2" }], { batchesLeft: 3 }), nowMs },
		{ kind: "flushed", batchId: "batch_1", reason: "count", items: 95, nowMs },
		{ kind: "flushed", batchId: "batch_2", reason: "quiet", items: null, nowMs },
		{ kind: "asked", by: "ann" },
		{ kind: "ending" },
		{ kind: "read", picture: collectorPicture([]), nowMs },
	];
	let direct: CollectorState = emptyCollector(collectorScope());
	let carried: CollectorState = emptyCollector(collectorScope());
	for (const event of collectorEvents) {
		direct = reduceCollector(direct, event);
		carried = reduceCollector(roundTrip(carried), roundTrip(event));
		expect(roundTrip(direct)).toStrictEqual(direct);
		expect(carried).toStrictEqual(direct);
		expect(nextCollectorMove(carried, nowMs)).toStrictEqual(nextCollectorMove(direct, nowMs));
	}
});
