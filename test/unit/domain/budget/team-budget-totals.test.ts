import { describe, expect, test } from "vitest";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { selectorKey } from "#domain/budget/scope.ts";
import { nextWindowEndMs, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { CHAIN_HEADS_MAX, type ChainHead, stateWord, usedPercent } from "#domain/budget/team-budget-state.ts";
import { DAILY_BUDGET as day } from "#test/support/daily-budget.ts";
import { announced, HOUR_MS, loaded, play, totals, user } from "#test/support/team-budget-events.ts";
import { carriedState, initialState } from "#workflows/team-budget/state.ts";

/** What totals and passing time make of a team's state. */
describe("totals", () => {
	test("a doubled, late or lost report does no harm", () => {
		const { state, effects } = play(loaded([day]), totals("100", 1), totals("850", 9), totals("850", 9), totals("500", 5));
		expect(state.budgets[0]?.window).toMatchObject({ posted: "850", version: 9 });
		expect(announced(effects)).toEqual(["threshold.warn.fired"]);
	});

	test("the previous window is still accepted, an older one is not", () => {
		const next = { startsAtMs: 24 * HOUR_MS, endsAtMs: 48 * HOUR_MS };
		const { state, effects } = play(
			loaded([day]),
			totals("700", 3),
			totals("10", 1, next),
			totals("900", 4),
			totals("5", 99, { startsAtMs: -24 * HOUR_MS, endsAtMs: 0 }),
		);
		expect(state.budgets[0]?.window).toMatchObject({ posted: "10", startsAtMs: 24 * HOUR_MS });
		expect(state.budgets[0]?.previous).toMatchObject({ posted: "900", startsAtMs: 0 });
		expect(effects).toMatchObject([{ event: "threshold.warn.fired", windowStartsAtMs: 0 }]);
	});

	test("a report of an unknown budget is left aside", () => {
		const before = loaded([day]);
		expect(play(before, totals("1", 1, { key: "user|nobody|nano_usd|day" })).state).toEqual(before);
	});

	test("an approval is told, withdraws its line, and stands for the rest of the window", () => {
		const waiting: BudgetDefinition = { ...day, thresholds: [{ action: "needApproval", at: { basisPoints: 9000 } }] };
		const { state, effects } = play(loaded([waiting]), totals("900", 1), totals("900", 1, { approved: "950" }), totals("920", 2));
		expect(announced(effects)).toEqual(["threshold.needApproval.fired", "threshold.needApproval.withdrawn"]);
		expect(state.budgets[0]?.window).toMatchObject({ approved: "950", posted: "920" });
		expect(stateWord(play(loaded([waiting]), totals("900", 1)).state)).toBe("awaiting approval");
	});

	test("totals that come after a raise do not stop the window for what was refused before it", () => {
		const raised: BudgetDefinition = { ...day, limitAmount: (BigInt(day.limitAmount) * 2n).toString() };
		const spent = ((BigInt(day.limitAmount) * 9n) / 5n).toString();
		const late = play(loaded([raised]), totals(spent, 1, { refusals: 2, refusedAtStop: day.limitAmount }), totals(spent, 2, { refusals: 2 }));
		expect(announced(late.effects)).not.toContain("threshold.stop.fired");
		const anew = play(late.state, totals(spent, 2, { refusals: 3, refusedAtStop: raised.limitAmount }));
		expect(announced(anew.effects)).toEqual(["threshold.stop.fired"]);
	});

	test("an observed budget tells its lines, and a team that has no other is never stopped", () => {
		const { state, effects } = play(loaded([{ ...day, mode: "observe" }]), totals("5000", 1, { observedRefusals: 4 }));
		expect(announced(effects)).toEqual(["threshold.warn.fired", "threshold.stop.fired"]);
		expect(state.budgets[0]?.window).toMatchObject({ refusals: 0, observedRefusals: 4 });
		expect(stateWord(state)).toBe("warned");
	});

	test("each window fires its own warning", () => {
		const { effects } = play(loaded([day]), totals("900", 1), totals("900", 1, { startsAtMs: 24 * HOUR_MS, endsAtMs: 48 * HOUR_MS }));
		expect(announced(effects)).toEqual(["threshold.warn.fired", "threshold.warn.fired"]);
	});
});

describe("time", () => {
	test("a window that ended gives way to an empty one; a report of PostgreSQL's own bounds goes over it", () => {
		const { state } = play(loaded([day]), totals("900", 4), { kind: "timePassed", nowMs: 25 * HOUR_MS });
		expect(state.budgets[0]).toMatchObject({ window: { startsAtMs: 24 * HOUR_MS, posted: "0" }, previous: { posted: "900" } });
		expect(nextWindowEndMs(state)).toBe(48 * HOUR_MS);
		expect(stateWord(state)).toBe("ok");
	});

	test("a clock that goes back changes nothing", () => {
		const before = play(loaded([day]), totals("900", 4), { kind: "timePassed", nowMs: 25 * HOUR_MS }).state;
		expect(play(before, { kind: "timePassed", nowMs: 3 * HOUR_MS }).state).toEqual(before);
	});

	test("an hour after its end a closed window is forgotten, and its late reports with it", () => {
		const { state, effects } = play(
			loaded([day]),
			totals("700", 4),
			{ kind: "timePassed", nowMs: 24 * HOUR_MS + 1 },
			{ kind: "timePassed", nowMs: 25 * HOUR_MS + 1 },
		);
		expect(state.budgets[0]?.previous).toBeNull();
		expect(effects).toEqual([]);
	});

	test("a lifetime budget needs no timer", () => {
		const lifetime: BudgetDefinition = { ...day, windowKind: "lifetime" };
		const { state } = play(loaded([lifetime]), totals("1", 1, { key: selectorKey(lifetime), endsAtMs: null }));
		expect(nextWindowEndMs(state)).toBeNull();
	});
});

describe("heads of the ledger's chains", () => {
	const head = (gatewayId: string, chunkSeq: string, hash = chunkSeq): ChainHead => ({ gatewayId, epoch: "1", chunkSeq, hash });
	const told = (...chainHeads: ChainHead[]): TeamBudgetEvent => ({ kind: "totalsReported", report: { windows: [], lastRefusals: [], chainHeads } });

	test("the longest ever told is remembered: neither a reordered report nor a chain that grew again hides what was cut", () => {
		const { state } = play(loaded(), told(head("g1", "9"), head("g2", "1")), told(head("g1", "10")), told(head("g1", "9")), told(head("g1", "10", "other")));
		expect(state.chainHeads).toEqual([head("g2", "1"), head("g1", "10")]);
		expect(play(state, totals("1", 1)).state.chainHeads).toEqual(state.chainHeads);
	});

	test("of too many chains those that changed last stay", () => {
		const many = Array.from({ length: CHAIN_HEADS_MAX }, (_, index) => head(`g${index}`, "1"));
		const { state } = play(loaded(), told(...many), told(head("g0", "2")), told(head("new", "1")));
		expect(state.chainHeads).toHaveLength(CHAIN_HEADS_MAX);
		expect(state.chainHeads.slice(-2)).toEqual([head("g0", "2"), head("new", "1")]);
		expect(state.chainHeads.some(({ gatewayId }) => gatewayId === "g1")).toBe(false);
	});

	test("a state carried over by a release that knew none begins with none", () => {
		const { chainHeads: _, ...older } = carriedState(loaded([day]));
		expect(initialState({ teamId: "demo", hasSearchAttributes: false, state: older as typeof older & { chainHeads: [] } }).chainHeads).toEqual([]);
	});
});

test.each([
	["nothing spent", [day], totals("0", 1), 0],
	["whole tens, rounded down", [day], totals("899", 1), 80],
	["more than the limit", [day], totals("1234", 1), 120],
	["far more than a tiny limit", [{ ...day, limitAmount: "1" }], totals("999999999", 1), 1_000],
	["a limit of nothing", [{ ...day, limitAmount: "0" }], totals("0", 1), 100],
	["an observed budget", [{ ...day, mode: "observe" as const }], totals("999", 1), 0],
	["a budget without a window yet, and none at all", [user("ann")], totals("900", 1), 0],
])("how much a team has used: %s", (_, budgets, report, used) => {
	expect(usedPercent(play(loaded(budgets), report).state)).toBe(used);
});
