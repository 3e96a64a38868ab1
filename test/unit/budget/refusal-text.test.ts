import { expect, it } from "vitest";
import { formatBudgetName, howToAsk } from "#domain/budget/refusal-text.ts";

const rule = (more: object) =>
	({ teamId: "search", dimension: "team", dimensionValue: "", windowKind: "day", unit: "nano_usd", ...more }) as Parameters<typeof formatBudgetName>[0];

it("names a budget as a person would, and gives the command that raises it", () => {
	expect(formatBudgetName(rule({}))).toBe("team search, per day");
	expect(formatBudgetName(rule({ dimension: "user", dimensionValue: "ann", unit: "tokens" }))).toBe("team search, user ann, per day, tokens");
	expect(formatBudgetName(rule({ teamId: null, dimension: "organization", windowKind: "lifetime" }))).toBe("organisation, lifetime");
	expect(howToAsk("search", rule({ dimension: "user", dimensionValue: "ann" }))).toContain("budget set --team search --user ann --limit USD --window day");
	expect(howToAsk("search", rule({ teamId: null, dimension: "organization", windowKind: "month" }))).toContain(
		"budget set --organization --limit USD --window month",
	);
	expect(howToAsk("search", undefined)).toContain("budget set --team search --limit USD --window day");
});
