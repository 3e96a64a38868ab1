import { describe, expect, test } from "vitest";
import {
	type BudgetSelector,
	checkBudgetDefinition,
	checkBudgetSelector,
	describeSelector,
	readLimitAmount,
	readLimitUsd,
	selectorKey,
	windowsPerCallMax,
} from "#domain/budget/scope.ts";

const valid = {
	dimension: "team",
	dimensionValue: "",
	unit: "nano_usd",
	windowKind: "day",
	timeZone: "UTC",
	limitAmount: "250000000",
	stopAmount: null,
	warnBasisPoints: 8000,
};

function problemFields(overrides: Record<string, unknown>, teamId = "demo"): string[] {
	const checked = checkBudgetDefinition({ ...valid, ...overrides }, teamId);
	return checked.kind === "invalid" ? checked.problems.map(({ field }) => field) : [];
}

describe("limits people type", () => {
	test.each(["-1", "0.0000000001", "1e3", "1000000001", "NaN", "", "1,5", "99999999999999999999"])("%s dollars is refused naming the field", (text) => {
		expect(readLimitUsd(text, "limit")).toMatchObject({ kind: "invalid", problems: [{ field: "limit" }] });
	});

	test("nine decimals and one billion are the bounds", () => {
		expect(readLimitUsd("0.000000001", "limit")).toEqual({ kind: "valid", value: 1n });
		expect(readLimitUsd("1000000000", "limit")).toEqual({ kind: "valid", value: 10n ** 18n });
	});

	test.each([5, "-5", "1.5", "1000000000000000001", "0x10", null, "01"])("the amount %s is refused", (amount) => {
		expect(readLimitAmount(amount, "limitAmount").kind).toBe("invalid");
	});
});

describe("definitions", () => {
	test("defaults: nano-USD, UTC, warning at 80 %, stop at the limit", () => {
		expect(checkBudgetDefinition({ dimension: "team", windowKind: "day", limitAmount: "250000000" }, "demo")).toEqual({ kind: "valid", value: valid });
	});

	test.each([
		[{ limitAmount: "-1" }, "budget.limitAmount"],
		[{ limitAmount: "0.5" }, "budget.limitAmount"],
		[{ stopAmount: "250000001" }, "budget.stopAmount"],
		[{ timeZone: "Mars/Base" }, "budget.timeZone"],
		[{ warnBasisPoints: 0 }, "budget.warnBasisPoints"],
		[{ warnBasisPoints: 80.5 }, "budget.warnBasisPoints"],
		[{ dimension: "planet" }, "budget.dimension"],
		[{ windowKind: "fortnight" }, "budget.windowKind"],
		[{ unit: "eur" }, "budget.unit"],
		[{ dimensionValue: "x" }, "budget.dimensionValue"],
		[{ dimension: "user" }, "budget.dimensionValue"],
		[{ dimension: "user", dimensionValue: "a|b" }, "budget.dimensionValue"],
		[{ dimension: "user", dimensionValue: "a\u0000b" }, "budget.dimensionValue"],
		[{ dimension: "user", dimensionValue: "a\u0085b" }, "budget.dimensionValue"],
		[{ dimension: "user", dimensionValue: "ann\ud800" }, "budget.dimensionValue"],
		[{ dimension: "user", dimensionValue: "x".repeat(129) }, "budget.dimensionValue"],
		[{ dimension: "organization" }, "budget.dimension"],
	])("%j names %s", (overrides, field) => {
		expect(problemFields(overrides)).toEqual([field]);
	});

	test("every mistake is reported at once", () => {
		expect(problemFields({ limitAmount: "x", timeZone: "x", warnBasisPoints: -1 })).toHaveLength(3);
	});

	test("no object, no budget", () => {
		for (const input of [null, undefined, 5, "x", []]) expect(checkBudgetSelector(input, "demo").kind).toBe("invalid");
	});

	test("keys tell budgets apart and names read well", () => {
		const user: BudgetSelector = { dimension: "user", dimensionValue: "ann", unit: "tokens", windowKind: "month" };
		expect(selectorKey(user)).toBe("user|ann|tokens|month");
		expect(describeSelector(user)).toBe("user ann, month, tokens");
	});
});

test("a call meets the worst value of each dimension, not the sum of all values", () => {
	const users = ["a", "b", "c"].map((dimensionValue): BudgetSelector => ({ dimension: "user", dimensionValue, unit: "nano_usd", windowKind: "day" }));
	const team: BudgetSelector = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" };
	expect(windowsPerCallMax([...users, { ...users[1]!, windowKind: "month" }, team])).toBe(3);
});
