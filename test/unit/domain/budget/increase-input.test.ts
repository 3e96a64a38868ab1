import { describe, expect, test } from "vitest";
import {
	checkIncreaseAnswer,
	checkIncreaseAsk,
	checkIncreaseEnding,
	checkIncreaseWithdrawal,
	readIncreaseAmount,
	readUntil,
} from "#domain/budget/increase-input.ts";

const ask = { budget: { dimension: "team", windowKind: "day" }, amountUsd: "50", until: "2026-12-01", reason: "launch week", requestedBy: "ann" };
const answer = { id: "inc_0123456789ab", decision: "approve", decidedBy: "bob" };

const fieldsOf = (checked: { readonly kind: string; readonly problems?: readonly { field: string }[] }): string[] =>
	checked.kind === "invalid" ? (checked.problems ?? []).map(({ field }) => field) : [];

describe("a request", () => {
	test("means the whole team in money unless it says more, and is by hand unless the administration API has proven the name", () => {
		const checked = checkIncreaseAsk({ ...ask, budget: { windowKind: "day" } }, "demo");
		expect(checked).toMatchObject({
			kind: "valid",
			value: { selector: { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" }, isByHand: true },
		});
		expect(checkIncreaseAsk({ ...ask, via: "administration" }, "demo")).toMatchObject({ value: { isByHand: false } });
		expect(checkIncreaseAsk({ ...ask, budget: { windowKind: "day" } }, "@organization")).toMatchObject({ value: { selector: { dimension: "organization" } } });
	});

	test.each([
		[{ budget: null }, "budget"],
		[{ budget: { dimension: "planet", windowKind: "day" } }, "budget.dimension"],
		[{ budget: { windowKind: "fortnight" } }, "budget.windowKind"],
		[{ amountUsd: undefined }, "amount"],
		[{ amount: "5" }, "amount"],
		[{ amountUsd: 50 }, "amountUsd"],
		[{ until: "tomorrow" }, "until"],
		[{ until: 5 }, "until"],
		[{ reason: "" }, "reason"],
		[{ reason: "x".repeat(201) }, "reason"],
		[{ reason: "a\u0007" }, "reason"],
		[{ reason: "a\ud800" }, "reason"],
		[{ requestedBy: "" }, "requestedBy"],
		[{ requestedBy: "x".repeat(101) }, "requestedBy"],
		[{ expiresInMs: 0 }, "expiresInMs"],
		[{ expiresInMs: 1_000.5 }, "expiresInMs"],
		[{ expiresInMs: 91 * 86_400_000 }, "expiresInMs"],
		[{ via: "friend" }, "via"],
	])("with %j is refused naming %s", (overrides, field) => {
		expect(fieldsOf(checkIncreaseAsk({ ...ask, ...overrides }, "demo"))).toEqual([field]);
	});

	test("names every mistake at once", () => {
		expect(fieldsOf(checkIncreaseAsk({ ...ask, budget: {}, amountUsd: undefined, until: "x", reason: "" }, "demo"))).toEqual([
			"budget.windowKind",
			"amount",
			"reason",
			"until",
		]);
		expect(fieldsOf(checkIncreaseAsk("x", "demo"))).toEqual(["input"]);
	});
});

describe("a decision", () => {
	test.each([
		[{ id: "inc_1" }, "id"],
		[{ id: 7 }, "id"],
		[{ decision: "maybe" }, "decision"],
		[{ decision: "reject" }, "reason"],
		[{ decision: "reject", reason: "no", amountUsd: "1" }, "amount"],
		[{ amountUsd: "1", amount: "1" }, "amount"],
		[{ reason: "a\u0000" }, "reason"],
		[{ decidedBy: "" }, "decidedBy"],
	])("with %j is refused naming %s", (overrides, field) => {
		expect(fieldsOf(checkIncreaseAnswer({ ...answer, ...overrides }))).toEqual([field]);
	});

	test("needs no reason to approve", () => {
		expect(checkIncreaseAnswer(answer)).toMatchObject({ kind: "valid", value: { isApproval: true, reason: "" } });
	});

	test("and a withdrawal names who and what", () => {
		expect(fieldsOf(checkIncreaseWithdrawal({ id: "x", withdrawnBy: "" }))).toEqual(["id", "withdrawnBy"]);
		expect(checkIncreaseWithdrawal({ id: answer.id, withdrawnBy: "ann" })).toEqual({ kind: "valid", value: { id: answer.id, by: "ann", isByHand: true } });
	});
});

describe("amounts", () => {
	test("are dollars or whole units of the budget, above 0", () => {
		expect(readIncreaseAmount({ amountUsd: "50" }, "nano_usd")).toEqual({ kind: "valid", value: 50_000_000_000n });
		expect(readIncreaseAmount({ amountUsd: "0.000000001" }, "nano_usd")).toEqual({ kind: "valid", value: 1n });
		expect(readIncreaseAmount({ amount: "1000" }, "tokens")).toEqual({ kind: "valid", value: 1_000n });
	});

	test.each([
		[{ amountUsd: "0" }, "nano_usd", "amountUsd"],
		[{ amount: "0" }, "tokens", "amount"],
		[{ amountUsd: "-1" }, "nano_usd", "amountUsd"],
		[{ amount: "-1" }, "nano_usd", "amount"],
		[{ amountUsd: "0.0000000001" }, "nano_usd", "amountUsd"],
		[{ amount: "0.5" }, "nano_usd", "amount"],
		[{ amountUsd: "1" }, "tokens", "amountUsd"],
		[{ amountUsd: "1000000001" }, "nano_usd", "amountUsd"],
	] as const)("%j of a budget in %s is refused naming %s", (amounts, unit, field) => {
		expect(fieldsOf(readIncreaseAmount(amounts, unit))).toEqual([field]);
	});
});

describe("until", () => {
	test("a date is the end of that day in the budget's time zone", () => {
		expect(readUntil("2026-12-01", "UTC")).toBe(Date.UTC(2026, 11, 2));
		expect(readUntil("2026-12-01", "Europe/Berlin")).toBe(Date.UTC(2026, 11, 1, 23));
		expect(readUntil("2026-12-01", "Asia/Kathmandu")).toBe(Date.UTC(2026, 11, 1, 18, 15));
		// The night of the change of clocks: the day ends an hour later than it began.
		expect(readUntil("2026-10-25", "Europe/Berlin")).toBe(Date.UTC(2026, 9, 25, 23));
		expect(readUntil("2028-02-29", "UTC")).toBe(Date.UTC(2028, 2, 1));
	});

	test("an instant says its zone", () => {
		expect(readUntil("2026-12-01T12:00:00Z", "Europe/Berlin")).toBe(Date.UTC(2026, 11, 1, 12));
		expect(readUntil("2026-12-01T12:00+05:45", "UTC")).toBe(Date.UTC(2026, 11, 1, 6, 15));
		expect(readUntil("2026-12-01T00:30:15.5-03:30", "UTC")).toBe(Date.UTC(2026, 11, 1, 4, 0, 15, 500));
	});

	test.each([
		"",
		"2026-12",
		"2026-02-30",
		"2026-13-01",
		"2026-00-10",
		"2026-12-00",
		"2026-12-01T25:00Z",
		"2026-12-01T12:60Z",
		"2026-12-01T12:00",
		"2026-12-01T12:00+19:00",
		" 2026-12-01",
		"1969-12-31",
	])("%j is none", (text) => expect(readUntil(text, "UTC")).toBeUndefined());
});

test("an end before the date names the raise and who ends it; why may be left out", () => {
	const ending = { id: "inc_0123456789ab", endedBy: "bob" };
	expect(checkIncreaseEnding(ending)).toEqual({ kind: "valid", value: { id: ending.id, by: "bob", isByHand: true, reason: "" } });
	expect(checkIncreaseEnding({ ...ending, via: "administration", reason: "over" })).toMatchObject({ value: { isByHand: false, reason: "over" } });
	expect(fieldsOf(checkIncreaseEnding({ id: "inc_1", endedBy: "", reason: "a\u0007", via: "friend" }))).toEqual(["id", "reason", "endedBy", "via"]);
	expect(fieldsOf(checkIncreaseEnding(null))).toEqual(["input"]);
});
