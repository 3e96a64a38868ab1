import { describe, expect, test } from "vitest";
import type { IncreaseAnswer, IncreaseAsk } from "#domain/budget/increase-input.ts";
import {
	closeDueIncreases,
	HORIZON_MS,
	IN_FORCE_MAX,
	type Increase,
	type IncreaseRules,
	type KnownIncreases,
	PENDING_MAX,
	planDecision,
	planEnding,
	planRequest,
	planWithdrawal,
	raisedAmount,
} from "#domain/budget/increases.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";

const day: BudgetDefinition = { ...DAILY_BUDGET, timeZone: "Europe/Berlin", limitAmount: "100000000000", thresholds: [] };
const key = selectorKey(day);
const nowMs = Date.UTC(2026, 10, 26, 12);
const windowEndsAtMs = Date.UTC(2026, 10, 26, 23);
const budget = { definition: day, windowEndsAtMs };
const nobody: KnownIncreases = { open: [], closed: [] };
const noRules: IncreaseRules = { approvers: [], ceilingNanoUsd: null };
const ask: IncreaseAsk = { selector: day, amountUsd: "50", until: "2026-12-01", reason: "launch week", requestedBy: "ann", isByHand: false };
const id = "inc_0123456789ab";

const request = (overrides: Partial<IncreaseAsk> = {}, context: Partial<Parameters<typeof planRequest>[1]> = {}) =>
	planRequest({ ...ask, ...overrides }, { known: nobody, budget, key, rules: noRules, nowMs, newId: id, ...context });

function pending(overrides: Partial<Increase> = {}): Increase {
	const planned = request();
	if (planned.kind === "refused") throw new Error("refused");
	return { ...planned.increase, ...overrides };
}

const yes: IncreaseAnswer = { id, isApproval: true, reason: "", decidedBy: "bob", isByHand: false };
const decide = (answer: Partial<IncreaseAnswer> = {}, open: readonly Increase[] = [pending()], more: Partial<Parameters<typeof planDecision>[1]> = {}) =>
	planDecision(
		{ ...yes, ...answer },
		{ known: { open, closed: [] }, budgetOf: (other) => (other === key ? budget : undefined), rules: noRules, nowMs, ...more },
	);

const approved = (overrides: Partial<Increase> = {}): Increase => {
	const planned = decide();
	if (planned.kind === "refused") throw new Error("refused");
	return { ...planned.increase, ...overrides };
};

const refusal = (plan: ReturnType<typeof planRequest>): string[] =>
	plan.kind === "refused" ? [plan.code, ...plan.problems.map(({ field }) => field)] : [plan.kind];

describe("asking", () => {
	test("opens a request that waits 14 days, for the end of the day in the budget's time zone", () => {
		expect(request({ until: "2026-12-20" })).toEqual({
			kind: "planned",
			increase: {
				...{ id, kind: "increase", key, status: "pending", askedAmount: "50000000000", grantedAmount: null, untilMs: Date.UTC(2026, 11, 20, 23) },
				...{ reason: "launch week", requestedBy: "ann", isRequestedByHand: false, requestedAtMs: nowMs, expiresAtMs: nowMs + 14 * 86_400_000, decision: null },
			},
		});
	});

	test("waits no longer than for its own date", () => {
		expect(pending()).toMatchObject({ expiresAtMs: Date.UTC(2026, 11, 1, 23), untilMs: Date.UTC(2026, 11, 1, 23) });
	});

	test("for the same again is the same request", () => {
		expect(request({}, { known: { open: [pending({ id: "inc_ffffffffffff" })], closed: [] } })).toMatchObject({
			kind: "same",
			increase: { id: "inc_ffffffffffff" },
		});
		expect(request({ reason: "other" }, { known: { open: [pending()], closed: [] } }).kind).toBe("planned");
	});

	test.each([
		[{}, { budget: undefined }, ["admin.not_found", "budget"]],
		[{ amountUsd: "0" }, {}, ["admin.invalid", "amountUsd"]],
		[{ amountUsd: "-5" }, {}, ["admin.invalid", "amountUsd"]],
		[{ amountUsd: "0.0000000001" }, {}, ["admin.invalid", "amountUsd"]],
		[{ until: "2026-11-25" }, {}, ["admin.invalid", "until"]],
		[{ until: "2028-01-01" }, {}, ["admin.invalid", "until"]],
		[{ until: undefined }, { budget: { definition: day, windowEndsAtMs: null } }, ["admin.invalid", "until"]],
		[{ amountUsd: "50" }, { rules: { approvers: [], ceilingNanoUsd: "49999999999" } }, ["admin.invalid", "amount"]],
		[{ amountUsd: "50" }, { rules: { approvers: [], ceilingNanoUsd: "50000000000" } }, ["planned"]],
		[{ amountUsd: "1000000000" }, {}, ["admin.invalid", "amount"]],
		[{ amountUsd: "0", until: "2026-11-25" }, {}, ["admin.invalid", "amountUsd", "until"]],
	] as const)("%j with %j: %j", (overrides, context, expected) => {
		expect(refusal(request(overrides, context))).toEqual(expected);
	});

	test("knows a horizon", () => {
		expect(refusal(request({ until: new Date(nowMs + HORIZON_MS).toISOString() }))).toEqual(["planned"]);
		expect(refusal(request({ until: new Date(nowMs + HORIZON_MS + 1).toISOString() }))).toEqual(["admin.invalid", "until"]);
	});

	test("the ceiling holds for what the raises of one budget add together", () => {
		const known = { open: [approved({ id: "inc_ffffffffffff" })], closed: [] };
		const rules = { approvers: [], ceilingNanoUsd: "60000000000" };
		expect(refusal(request({}, { known, rules }))).toEqual(["admin.invalid", "amount"]);
		expect(refusal(request({ amountUsd: "10" }, { known, rules }))).toEqual(["planned"]);
		expect(refusal(request({}, { known: { open: [approved({ key: "other" })], closed: [] }, rules }))).toEqual(["planned"]);
	});

	test("says nothing in money about a budget in tokens", () => {
		const tokens = { definition: { ...day, unit: "tokens" as const }, windowEndsAtMs };
		expect(refusal(request({ amountUsd: undefined, amount: "9" }, { budget: tokens, rules: { approvers: [], ceilingNanoUsd: "1" } }))).toEqual(["planned"]);
		expect(refusal(request({}, { budget: tokens }))).toEqual(["admin.invalid", "amountUsd"]);
	});

	test("ends at so many open requests", () => {
		const open = Array.from({ length: PENDING_MAX }, (_, index) => pending({ id: `inc_${index}`, reason: String(index) }));
		expect(refusal(request({}, { known: { open, closed: [] } }))).toEqual(["admin.conflict", "budget"]);
		expect(refusal(request({}, { known: { open: open.slice(1), closed: [] } }))).toEqual(["planned"]);
	});
});

describe("deciding", () => {
	test("approves what was asked, or less, never more", () => {
		expect(decide()).toMatchObject({ kind: "planned", increase: { status: "approved", grantedAmount: "50000000000", decision: { by: "bob", atMs: nowMs } } });
		expect(decide({ amountUsd: "30" })).toMatchObject({ increase: { grantedAmount: "30000000000" } });
		expect(refusal(decide({ amountUsd: "50.000000001" }))).toEqual(["admin.invalid", "amountUsd"]);
		expect(refusal(decide({ amountUsd: "0" }))).toEqual(["admin.invalid", "amountUsd"]);
	});

	test("without a date of its own a raise ends with the window in which it is approved", () => {
		expect(decide({}, [pending({ untilMs: null })])).toMatchObject({ increase: { untilMs: windowEndsAtMs } });
	});

	test.each(["ann", "Ann", " ann ", "ＡＮＮ"])("nobody decides about his own request: %j", (decidedBy) => {
		expect(refusal(decide({ decidedBy }))).toEqual(["admin.forbidden", "decidedBy"]);
		expect(refusal(decide({ decidedBy, isApproval: false, reason: "no" }))).toEqual(["admin.forbidden", "decidedBy"]);
		expect(refusal(decide({ decidedBy }, undefined, { rules: { approvers: [decidedBy], ceilingNanoUsd: null } }))).toEqual(["admin.forbidden", "decidedBy"]);
	});

	test("where approvers are named, only they decide", () => {
		const rules = { approvers: ["carol"], ceilingNanoUsd: null };
		expect(refusal(decide({}, undefined, { rules }))).toEqual(["admin.forbidden", "decidedBy"]);
		expect(refusal(decide({ isApproval: false, reason: "no" }, undefined, { rules }))).toEqual(["admin.forbidden", "decidedBy"]);
		expect(decide({ decidedBy: "carol" }, undefined, { rules }).kind).toBe("planned");
	});

	test("the ceiling is judged again", () => {
		const rules = { approvers: [], ceilingNanoUsd: "40000000000" };
		expect(refusal(decide({}, undefined, { rules }))).toEqual(["admin.invalid", "amount"]);
		expect(decide({ amountUsd: "40" }, undefined, { rules }).kind).toBe("planned");
	});

	test("one decision holds, the other is told who decided; repeating oneself is harmless", () => {
		const open = [approved()];
		const other = decide({ decidedBy: "carol" }, open);
		expect(refusal(other)).toEqual(["admin.conflict", "id"]);
		expect(other.kind === "refused" && other.problems[0]?.problem).toContain("approved already, by bob at 2026-11-26T12:00:00Z");
		expect(decide({}, open)).toEqual({ kind: "same", increase: open[0] });
		expect(refusal(decide({ isApproval: false, reason: "no" }, open))).toEqual(["admin.conflict", "id"]);
	});

	test("a rejected request is remembered", () => {
		const rejected = decide({ isApproval: false, reason: "wait for December" });
		if (rejected.kind === "refused") throw new Error("refused");
		const known = { open: [], closed: [rejected.increase] };
		expect(decide({ isApproval: false, reason: "again" }, [], { known })).toEqual({ kind: "same", increase: rejected.increase });
		const late = decide({}, [], { known });
		expect(late.kind === "refused" && late.problems[0]?.problem).toContain("rejected already, by bob at 2026-11-26T12:00:00Z (wait for December)");
	});

	test("too late, for a budget that is gone, for a date that is over, or unknown", () => {
		expect(refusal(decide({}, [pending({ expiresAtMs: nowMs })]))).toEqual(["admin.conflict", "id"]);
		expect(refusal(decide({}, [pending({ key: "gone" })]))).toEqual(["admin.conflict", "id"]);
		expect(refusal(decide({}, [pending({ untilMs: nowMs, expiresAtMs: nowMs + 1 })]))).toEqual(["admin.invalid", "until"]);
		expect(refusal(decide({ id: "inc_ffffffffffff" }))).toEqual(["admin.not_found", "id"]);
	});

	test("ends at so many raises in force", () => {
		const open = [pending(), ...Array.from({ length: IN_FORCE_MAX }, (_, index) => approved({ id: `inc_${index}` }))];
		expect(refusal(decide({}, open))).toEqual(["admin.conflict", "id"]);
		expect(decide({}, open.slice(0, -1)).kind).toBe("planned");
	});

	test("a line is approved as it stands, and adds nothing to the limit", () => {
		const line = pending({ kind: "line", requestedBy: "tollgate", untilMs: null });
		expect(refusal(decide({ amountUsd: "1" }, [line]))).toEqual(["admin.invalid", "amountUsd"]);
		const planned = decide({}, [line]);
		expect(planned).toMatchObject({ kind: "planned", increase: { status: "approved", grantedAmount: line.askedAmount } });
		expect(planned.kind === "planned" && raisedAmount([planned.increase], key)).toBe(0n);
	});
});

describe("withdrawing", () => {
	const withdraw = (by: string, open: readonly Increase[] = [pending()], closed: readonly Increase[] = []) =>
		planWithdrawal(id, { by, isByHand: false }, { known: { open, closed }, nowMs });

	test("is for whoever asked, while it waits", () => {
		expect(withdraw("ann")).toMatchObject({ kind: "planned", increase: { status: "withdrawn", decision: { by: "ann" } } });
		expect(refusal(withdraw("bob"))).toEqual(["admin.forbidden", "withdrawnBy"]);
		expect(refusal(withdraw("ann", [approved()]))).toEqual(["admin.conflict", "id"]);
		expect(refusal(withdraw("ann", []))).toEqual(["admin.not_found", "id"]);
		expect(withdraw("ann", [], [pending({ status: "withdrawn", decision: { by: "ann", isByHand: false, atMs: nowMs, reason: "" } })]).kind).toBe("same");
	});
});

describe("ending before the date", () => {
	const over = { id, by: "bob", isByHand: false, reason: "the launch is over" };
	const end = (more: Partial<typeof over> = {}, open: readonly Increase[] = [approved()], context: Partial<Parameters<typeof planEnding>[1]> = {}) =>
		planEnding({ ...over, ...more }, { known: { open, closed: [] }, rules: noRules, nowMs, isWritten: true, ...context });

	test("says who ended it, when and why; repeating oneself is harmless, whoever comes second is told", () => {
		const planned = end();
		if (planned.kind === "refused") throw new Error("refused");
		expect(planned).toMatchObject({ kind: "planned", increase: { status: "ended", ending: { by: "bob", atMs: nowMs, reason: "the launch is over" } } });
		const known = { open: [], closed: [planned.increase] };
		expect(end({}, [], { known })).toEqual({ kind: "same", increase: planned.increase });
		const late = end({ by: "carol" }, [], { known });
		expect(late.kind === "refused" && late.problems[0]?.problem).toContain("ended already, by bob at 2026-11-26T12:00:00Z (the launch is over)");
	});

	test("is for approvers where some are named, for whoever asked only if he is one", () => {
		const rules = { approvers: ["carol"], ceilingNanoUsd: null };
		expect(refusal(end({}, undefined, { rules }))).toEqual(["admin.forbidden", "endedBy"]);
		expect(refusal(end({ by: "ann" }, undefined, { rules }))).toEqual(["admin.forbidden", "endedBy"]);
		expect(end({ by: "carol" }, undefined, { rules }).kind).toBe("planned");
		expect(end({ by: "ann" }).kind).toBe("planned");
	});

	test("is for a raise in force: not for what waits, is not written, is a line, is over, or unknown", () => {
		expect(refusal(end({}, [pending()]))).toEqual(["admin.conflict", "id"]);
		expect(refusal(end({}, undefined, { isWritten: false }))).toEqual(["admin.conflict", "id"]);
		expect(refusal(end({}, [approved({ kind: "line" })]))).toEqual(["admin.conflict", "id"]);
		expect(refusal(end({}, [approved({ untilMs: nowMs })]))).toEqual(["admin.conflict", "id"]);
		expect(refusal(end({}, []))).toEqual(["admin.not_found", "id"]);
	});
});

describe("time", () => {
	test("closes what nobody decided, ends what is over, and leaves the rest", () => {
		const open = [
			pending({ id: "a", expiresAtMs: 10 }),
			approved({ id: "b", untilMs: 10 }),
			pending({ id: "c", expiresAtMs: 11 }),
			approved({ id: "d", untilMs: 11 }),
		];
		const { left, closed } = closeDueIncreases(open, 10);
		expect(left.map((increase) => increase.id)).toEqual(["c", "d"]);
		expect(closed.map((increase) => [increase.id, increase.status])).toEqual([
			["a", "expired"],
			["b", "ended"],
		]);
	});

	test("a removed budget takes its increases with it", () => {
		const { closed } = closeDueIncreases([pending({ isBudgetGone: true }), approved({ isBudgetGone: true })], 0);
		expect(closed.map(({ status }) => status)).toEqual(["withdrawn", "ended"]);
		expect(raisedAmount([approved({ isBudgetGone: true })], key)).toBe(0n);
	});

	test("raises of one budget add up", () => {
		expect(raisedAmount([approved(), approved({ grantedAmount: "7" }), pending(), approved({ key: "other" })], key)).toBe(50_000_000_007n);
	});
});
