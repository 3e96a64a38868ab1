import { describe, expect, test } from "vitest";
import {
	ascending,
	type BudgetSelector,
	checkBudgetDefinition,
	checkBudgetSelector,
	describeSelector,
	MAX_THRESHOLDS,
	readLimitAmount,
	readLimitUsd,
	selectorKey,
	thresholdAmount,
	windowsPerCallMax,
} from "#domain/budget/scope.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";

const valid = { ...DAILY_BUDGET, limitAmount: "250000000" };

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
	test("defaults: nano-USD, UTC, weeks from Monday, quarters from January, enforced, one notice at 80 %", () => {
		expect(checkBudgetDefinition({ dimension: "team", windowKind: "day", limitAmount: "250000000" }, "demo")).toEqual({ kind: "valid", value: valid });
	});

	test.each([
		[{ limitAmount: "-1" }, "budget.limitAmount"],
		[{ limitAmount: "0.5" }, "budget.limitAmount"],
		[{ stopAmount: "250000001" }, "budget.stopAmount"],
		[{ timeZone: "Mars/Base" }, "budget.timeZone"],
		[{ warnBasisPoints: 0 }, "budget.warnBasisPoints"],
		[{ warnBasisPoints: 80.5 }, "budget.warnBasisPoints"],
		[{ weekStart: 0 }, "budget.weekStart"],
		[{ weekStart: 8 }, "budget.weekStart"],
		[{ fiscalYearStart: 13 }, "budget.fiscalYearStart"],
		[{ fiscalYearStart: 1.5 }, "budget.fiscalYearStart"],
		[{ mode: "dry" }, "budget.mode"],
		[{ thresholds: "90%" }, "budget.thresholds"],
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

	test("the short forms make lines, in order, beside those listed or instead of them", () => {
		const thresholdsOf = (overrides: Record<string, unknown>): unknown => {
			const { thresholds: _, ...rest } = valid;
			const checked = checkBudgetDefinition({ ...rest, ...overrides }, "demo");
			return checked.kind === "valid" ? checked.value.thresholds : checked.problems;
		};
		expect(thresholdsOf({ warnBasisPoints: 9000, stopAmount: "100000000" })).toEqual([
			{ action: "stop", at: { amount: "100000000" } },
			{ action: "notify", at: { basisPoints: 9000 } },
		]);
		expect(thresholdsOf({ stopAmount: null })).toEqual(valid.thresholds);
		expect(thresholdsOf({ thresholds: [] })).toEqual([]);
		expect(thresholdsOf({ thresholds: [{ action: "needApproval", at: { basisPoints: 9500 } }], warnBasisPoints: 5000 })).toEqual([
			{ action: "notify", at: { basisPoints: 5000 } },
			{ action: "needApproval", at: { basisPoints: 9500 } },
		]);
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

describe("thresholds", () => {
	const degrade = { action: "degrade", at: { basisPoints: 9000 }, degradeTo: { "gpt-5": "gpt-5-mini" } };

	test("every action is carried as given, without what is not ours", () => {
		const thresholds = [
			{ action: "notify", at: { basisPoints: 5000 } },
			degrade,
			{ action: "needApproval", at: { amount: "240000000" } },
			{ action: "stop", at: { basisPoints: 10_000 } },
		];
		const checked = checkBudgetDefinition({ ...valid, thresholds: [{ ...thresholds[0], colour: "red" }, ...thresholds.slice(1)] }, "demo");
		expect(checked).toMatchObject({ kind: "valid" });
		expect(checked.kind === "valid" && checked.value.thresholds).toEqual(thresholds);
	});

	test.each([
		["line", "budget.thresholds[0]"],
		[{ action: "page", at: { basisPoints: 1 } }, "budget.thresholds[0].action"],
		[{ action: "stop" }, "budget.thresholds[0].at"],
		[{ action: "stop", at: {} }, "budget.thresholds[0].at"],
		[{ action: "stop", at: { basisPoints: 1, amount: "1" } }, "budget.thresholds[0].at"],
		[{ action: "stop", at: { basisPoints: 0 } }, "budget.thresholds[0].at.basisPoints"],
		[{ action: "stop", at: { basisPoints: 10_001 } }, "budget.thresholds[0].at.basisPoints"],
		[{ action: "stop", at: { basisPoints: 80.5 } }, "budget.thresholds[0].at.basisPoints"],
		[{ action: "stop", at: { amount: "-1" } }, "budget.thresholds[0].at.amount"],
		[{ action: "stop", at: { amount: 5 } }, "budget.thresholds[0].at.amount"],
		[{ action: "stop", at: { amount: "250000001" } }, "budget.thresholds[0].at.amount"],
		[{ action: "notify", at: { amount: "0" } }, "budget.thresholds[0].at.amount"],
		[{ action: "notify", at: { basisPoints: 1 }, degradeTo: { a: "b" } }, "budget.thresholds[0].degradeTo"],
		[{ ...degrade, degradeTo: undefined }, "budget.thresholds[0].degradeTo"],
		[{ ...degrade, degradeTo: {} }, "budget.thresholds[0].degradeTo"],
		[{ ...degrade, degradeTo: { a: "a" } }, "budget.thresholds[0].degradeTo.a"],
		[{ ...degrade, degradeTo: { a: "" } }, "budget.thresholds[0].degradeTo.a"],
		[{ ...degrade, degradeTo: { a: 5 } }, "budget.thresholds[0].degradeTo.a"],
		[{ ...degrade, degradeTo: { a: "b\u0000" } }, "budget.thresholds[0].degradeTo.a"],
	])("%j names %s", (threshold, field) => {
		expect(problemFields({ thresholds: [threshold] })).toEqual([field]);
	});

	test("models degraded in a circle are refused, each of them; a way to the circle and a chain are none", () => {
		expect(problemFields({ thresholds: [{ ...degrade, degradeTo: { a: "b", b: "c", c: "b", d: "e", e: "f" } }] })).toEqual([
			"budget.thresholds[0].degradeTo.b",
			"budget.thresholds[0].degradeTo.c",
		]);
	});

	test("lines stand in ascending order under this limit", () => {
		const notice = (amount: string) => ({ action: "notify", at: { amount } });
		expect(
			problemFields({ limitAmount: "100", thresholds: [notice("80"), { action: "stop", at: { basisPoints: 7900 } }, notice("80"), notice("79")] }),
		).toEqual(["budget.thresholds[1].at", "budget.thresholds[3].at", "budget.thresholds[2]"]);
	});

	test("at most eight, the short forms counted", () => {
		const notices = Array.from({ length: MAX_THRESHOLDS }, (_, index) => ({ action: "notify", at: { basisPoints: 1000 + index } }));
		expect(problemFields({ thresholds: notices })).toEqual([]);
		expect(problemFields({ thresholds: notices, stopAmount: "1" })).toEqual(["budget.thresholds"]);
	});

	test("a line is rounded up to a whole unit and never stands above the limit", () => {
		expect(thresholdAmount({ basisPoints: 8000 }, 7n)).toBe(6n);
		expect(thresholdAmount({ basisPoints: 10_000 }, 7n)).toBe(7n);
		expect(thresholdAmount({ amount: "9" }, 7n)).toBe(7n);
		expect(thresholdAmount({ amount: "3" }, 7n)).toBe(3n);
	});

	test("order is by amount, whatever form a line has", () => {
		const low = { action: "stop", at: { amount: "1" } } as const;
		const high = { action: "notify", at: { basisPoints: 9000 } } as const;
		expect(ascending([high, low], 100n)).toEqual([low, high]);
	});
});

test("a call meets the worst value of each dimension, not the sum of all values", () => {
	const users = ["a", "b", "c"].map((dimensionValue): BudgetSelector => ({ dimension: "user", dimensionValue, unit: "nano_usd", windowKind: "day" }));
	const team: BudgetSelector = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" };
	expect(windowsPerCallMax([...users, { ...users[1]!, windowKind: "month" }, team])).toBe(3);
});
