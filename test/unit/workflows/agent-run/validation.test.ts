import { ApplicationFailure } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { LOOP_HOLD, snapshotOf } from "#test/support/run-snapshots.ts";
import { isRunSnapshot, limitsIn, validateLimits, validateReason } from "#workflows/agent-run/validation.ts";

function fieldsOf(validate: () => void): string[] {
	try {
		validate();
	} catch (error) {
		if (!(error instanceof ApplicationFailure)) throw error;
		expect(error.type).toBe("admin.invalid");
		return ((error.details ?? [])[0] as { field: string }[]).map(({ field }) => field);
	}
	return [];
}

describe("updates name every field that is wrong", () => {
	test("of a reason", () => {
		expect(fieldsOf(() => validateReason({ by: "ann", reason: "fine" }))).toEqual([]);
		expect(fieldsOf(() => validateReason({ by: "", reason: "a\u0000" }))).toEqual(["by", "reason"]);
		expect(fieldsOf(() => validateReason(undefined as never))).toEqual(["by", "reason"]);
		expect(fieldsOf(() => validateReason({ by: "a".repeat(101), reason: "a".repeat(201) }))).toEqual(["by", "reason"]);
	});

	test("of limits", () => {
		expect(fieldsOf(() => validateLimits({ limits: { costNanoUsd: "5", steps: 3 }, by: "ann", reason: "fine" }))).toEqual([]);
		expect(fieldsOf(() => validateLimits({ limits: { costNanoUsd: 5, moons: 3 }, by: "ann", reason: "" }))).toEqual([
			"limits.costNanoUsd",
			"limits.moons",
			"reason",
		]);
		expect(fieldsOf(() => validateLimits({ limits: {}, by: "ann", reason: "fine" }))).toEqual(["limits"]);
		expect(fieldsOf(() => validateLimits(undefined as never))).toEqual(["limits", "by", "reason"]);
	});

	test("limits travel in their normal form", () => {
		expect(limitsIn({ limits: { steps: 3 }, by: "ann", reason: "fine" })).toEqual({ steps: { hard: { at: 3, action: "pause" } } });
	});
});

describe("a report", () => {
	test("of the shape that is told is taken, held and not", () => {
		expect(isRunSnapshot(snapshotOf())).toBe(true);
		expect(isRunSnapshot(snapshotOf({ state: "paused", pauseHours: 1 }))).toBe(true);
	});

	const whole = snapshotOf({ state: "paused" });
	const [step] = whole.steps;
	test.each([
		["nothing", undefined],
		["text", "r-7"],
		["no run", { ...whole, run: undefined }],
		["a state nobody knows", { ...whole, run: { ...whole.run, state: "flying" } }],
		["a version that is none", { ...whole, run: { ...whole.run, version: "1.5" } }],
		["no hold where it was null", { ...whole, run: { ...whole.run, hold: undefined } }],
		["a hold without evidence", { ...whole, run: { ...whole.run, hold: { ...LOOP_HOLD, evidence: 7 } } }],
		["a time that is none", { ...whole, openedAtMs: Number.NaN }],
		["no time to answer", { ...whole, pauseHours: 0 }],
		["no totals", { ...whole, totals: null }],
		["a cost that is none", { ...whole, totals: { ...whole.totals, costNanoUsd: "much" } }],
		["a ceiling of no kind", { ...whole, ceilings: [{ ofRunId: "r-7", kind: "moons", at: "1", taken: "0" }] }],
		["a negative ceiling", { ...whole, ceilings: [{ ofRunId: "r-7", kind: "steps", at: "-1", taken: "0" }] }],
		["a step without a cost", { ...whole, steps: [{ ...step, costNanoUsd: undefined }] }],
		["steps that are no list", { ...whole, steps: {} }],
		["too many steps", { ...whole, steps: Array(101).fill(step) }],
		["an event without detail", { ...whole, events: [{ seq: "1", atMs: 1, kind: "opened", detail: null }] }],
	])("with %s is none, and nothing is thrown", (_what, snapshot) => {
		expect(isRunSnapshot(snapshot as never)).toBe(false);
	});
});
