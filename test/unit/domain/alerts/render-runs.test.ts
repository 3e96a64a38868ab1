import { expect, test } from "vitest";
import type { Alert } from "#domain/alerts/alert.ts";
import { renderAlert } from "#domain/alerts/render.ts";

const detail = {
	runId: "r-7",
	ofRunId: "r-7",
	guard: "loop.repetition",
	evidence: "the call repeated 9 times",
	measured: "9",
	threshold: "9",
	by: "gateway g1",
	pauseId: "pau_1",
};
const AT_MS = Date.parse("2026-11-26T10:00:00Z");

function alertOf(more: Partial<Alert>): Alert {
	return { id: "alr_1", atMs: AT_MS, teamId: "search", subject: "run/r-7", kind: "run.paused", severity: "warning", isFiring: true, ends: [], detail, ...more };
}
const titleOf = (more: Partial<Alert>) => renderAlert(alertOf(more), null).title;

test("alerts about runs say which run, which guard, and whether others below it stand too", () => {
	expect(titleOf({})).toBe("Agent run r-7 of team search: paused by loop.repetition");
	expect(titleOf({ kind: "run.stopped" })).toBe("Agent run r-7 of team search: stopped by loop.repetition");
	expect(titleOf({ kind: "run.warned", isFiring: false })).toBe("Agent run r-7 of team search is warned by loop.repetition");
	expect(titleOf({ detail: { ...detail, ofRunId: "root", guard: "ceiling.costNanoUsd" } })).toBe(
		"Agents below run root of team search: paused by ceiling.costNanoUsd",
	);
	expect(titleOf({ isFiring: false, detail: { ...detail, reminder: 1 } })).toBe(
		"Agent run r-7 of team search: paused by loop.repetition, and nobody has answered yet",
	);
	expect(titleOf({ kind: "run.stopped", isFiring: false, detail: { ...detail, guard: "person", by: "ada" } })).toBe(
		"Agent run r-7 of team search was stopped by ada",
	);
	const ends = [{ id: "alr_0", kind: "run.paused", severity: "warning" as const, atMs: AT_MS }];
	expect(titleOf({ isFiring: false, ends })).toBe("Over: agents of run r-7 of team search are no longer paused");
	expect(titleOf({ detail: {} })).toBe("Agent run r-7 of team search: paused by a guard");
});

test("what was seen, and the line, stand beside it", () => {
	const { facts, runbook } = renderAlert(alertOf({}), null);
	for (const fact of [
		{ label: "Run", value: "r-7" },
		{ label: "Seen", value: "the call repeated 9 times" },
		{ label: "Measured", value: "9" },
		{ label: "Line", value: "9" },
		{ label: "Pause", value: "pau_1" },
		{ label: "Held by", value: "gateway g1" },
	])
		expect(facts).toContainEqual(fact);
	expect(runbook).toBe("docs/runbooks/run-paused.md");
});
