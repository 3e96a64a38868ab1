import { expect, test } from "vitest";
import { type BudgetSelector, type CallDimensions, matchBudgets, matches } from "#domain/budget/match.ts";

const CALL: CallDimensions = { teamId: "demo", feature: "search", user: null, model: "m", provider: "p", key: "k", environment: null };
const selector = (dimension: BudgetSelector["dimension"], dimensionValue = "", teamId: string | null = "demo"): BudgetSelector => ({
	dimension,
	dimensionValue,
	teamId,
});

test.each([
	["the organisation's", selector("organization", "", null), true],
	["its team's", selector("team"), true],
	["another team's", selector("team", "", "other"), false],
	["a feature of its team", selector("feature", "search"), true],
	["the same feature of another team", selector("feature", "search", "other"), false],
	["another feature of its team", selector("feature", "chat"), false],
	["a user, where none is attributed", selector("user", "null"), false],
	["an agent run's", selector("run", "7"), false],
])("a call meets %s budget: as attributed", (_, budget, isMet) => {
	expect(matches(budget, CALL)).toBe(isMet);
});

test("budgets are met ascending by id as a number, the order in which they are locked", () => {
	const rules = ["10", "9", "100"].map((budgetId) => ({ ...selector("team"), budgetId }));
	expect(matchBudgets(rules, CALL)).toMatchObject({ budgets: [{ budgetId: "9" }, { budgetId: "10" }, { budgetId: "100" }], hasTeamBudget: true });
	expect(matchBudgets([{ ...selector("organization", "", null), budgetId: "1" }], CALL).hasTeamBudget).toBe(false);
});
