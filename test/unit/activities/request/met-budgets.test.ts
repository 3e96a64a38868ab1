import { expect, test } from "vitest";
import type { BudgetRule } from "#activities/authority/port.ts";
import type { Match } from "#activities/request/directory.ts";
import { MetBudgets } from "#activities/request/met-budgets.ts";
import { compareIds } from "#domain/budget/match.ts";
import { testBound, testCall } from "#test/support/request-authority.ts";

const KEY = { keyId: "key_test", teamId: "team", feature: null, userId: null, environment: null, models: null, endpoints: null, mayAssert: [] };
const rule = (budgetId: string, more: Partial<BudgetRule> = {}): BudgetRule => ({
	budgetId,
	teamId: "team",
	dimension: "team",
	dimensionValue: "",
	unit: "nano_usd",
	windowKind: "day",
	...more,
});
const ofRun = (budgetId: string, more: Partial<BudgetRule> = {}): BudgetRule =>
	rule(budgetId, { dimension: "run", dimensionValue: "7", name: "r-7", windowKind: "lifetime", ...more });

/** A directory that matches what it is told, and a step of a run with these ceilings. */
function openBudgets(matched: readonly BudgetRule[], ceilings: readonly BudgetRule[], isAdmissible = true) {
	const match: Match = { budgets: matched, hasLines: false, isAdmissible };
	const directory = { match: () => match };
	const step = { ...testCall(KEY, testBound(10n)), run: { runIds: ["7"], budgets: ceilings } };
	return { directory, match, step, budgets: new MetBudgets(directory) };
}

test("a step meets what matches it and the ceilings of its chain, ascending by id", () => {
	const { budgets, step } = openBudgets([rule("9"), rule("30")], [ofRun("10"), ofRun("100")]);
	expect(budgets.of(step).budgets.map(({ budgetId }) => budgetId)).toEqual(["9", "10", "30", "100"]);
});

test("merging keeps every budget once and in order, whichever list is longer", () => {
	for (const [left, right] of [
		[["1", "2"], []],
		[[], ["1", "2"]],
		[["5"], ["1", "9", "10", "11"]],
		[
			["2", "4", "100"],
			["1", "3", "99", "101"],
		],
	] as const) {
		const { budgets, step } = openBudgets(
			left.map((id) => rule(id)),
			right.map((id) => ofRun(id)),
		);
		expect(budgets.of(step).budgets.map(({ budgetId }) => budgetId)).toEqual([...left, ...right].sort(compareIds));
	}
});

test("a call without a run, or whose run states no ceiling, meets just what the directory matched", () => {
	const { budgets, match, step } = openBudgets([rule("1")], []);
	expect(budgets.of(step)).toBe(match);
	expect(budgets.of(testCall(KEY, testBound(10n)))).toBe(match);
});

test("the steps of a run are merged once, and anew when the budgets of the team were read again", () => {
	const { budgets, directory, step } = openBudgets([rule("1")], [ofRun("2")]);
	const met = budgets.of(step);
	expect(budgets.of({ ...step, requestId: "next" })).toBe(met);
	const changed: Match = { budgets: [rule("3")], hasLines: false, isAdmissible: true };
	Object.assign(directory, { match: () => changed });
	expect(budgets.of(step).budgets.map(({ budgetId }) => budgetId)).toEqual(["2", "3"]);
});

test("more than 32 windows in all are refused, and so is a call that the team may not make", () => {
	const many = (count: number) => Array.from({ length: count }, (_, index) => ofRun(String(100 + index)));
	const isAdmissible = (count: number, teamMay = true) => {
		const { budgets, step } = openBudgets([rule("1")], many(count), teamMay);
		return budgets.of(step).isAdmissible;
	};
	expect([isAdmissible(31), isAdmissible(32), isAdmissible(1, false)]).toEqual([true, false, false]);
});

test("a ceiling may degrade calls, as a budget may", () => {
	const degrade = [{ at: { amount: "5" }, degradeTo: { dear: "cheap" } }];
	const { budgets, step } = openBudgets([rule("1")], [ofRun("2", { degrade })]);
	expect(budgets.of(step).hasLines).toBe(true);
});
