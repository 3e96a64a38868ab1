import { expect, test } from "vitest";
import { type DegradedRow, degradedProblem } from "#activities/verification/degraded-problem.ts";

const RIGHT: DegradedRow = {
	attempt_id: "g1-1-1",
	model: "cheap",
	asked_model: "dear",
	...{ line_amount: "500", granted: "450", idle: "30", need: "81" },
	event_granted: "450",
	...{ is_of_budget: true, is_matching: true, is_in_force: true },
	lines: ["500"],
};

test("a call that did not fit below the line is right, and so is one by the line of a moment ago", () => {
	expect(degradedProblem(RIGHT)).toBeUndefined();
	expect(degradedProblem({ ...RIGHT, lines: ["400", "500", null] })).toBeUndefined();
});

test.each<[string, Partial<DegradedRow>, string]>([
	["fits below the line", { need: "80" }, "500 - 450 + idle 30 = 80 was free"],
	["was served as it was asked for", { asked_model: "cheap" }, "in place of itself"],
	["says no line", { line_amount: null }, "lacks the numbers"],
	["has only a line", { asked_model: null }, "lacks the numbers"],
	["says another line", { lines: ["400"] }, "the window's history says 400"],
	["says a line where there was none", { lines: null }, "the window's history says none"],
	["says another amount granted", { event_granted: "440" }, "the window's history says 440"],
	["names no event", { event_granted: null }, "does not exist"],
	["names a window of another budget", { is_of_budget: false }, "another budget"],
	["does not meet the budget", { is_matching: null }, "does not meet"],
	["comes after the window", { is_in_force: false }, "not open then"],
])("a degraded call that %s is not", (_name, changes, problem) => expect(degradedProblem({ ...RIGHT, ...changes })).toContain(problem));
