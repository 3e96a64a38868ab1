import { describe, expect, test } from "vitest";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { selectorKey } from "#domain/budget/scope.ts";
import { hasRoomForChange, reviseEffect, WAITING_ANNOUNCEMENTS_MAX, WAITING_CHANGES_MAX } from "#domain/budget/team-budget-outbox.ts";
import { definitionsOf, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type HeldFreeze, stateWord } from "#domain/budget/team-budget-state.ts";
import { DAILY_BUDGET as day } from "#test/support/daily-budget.ts";
import { announced, fullest, HOUR_MS, loaded, play, policy, totals, user, windowOf } from "#test/support/team-budget-events.ts";

describe("policy", () => {
	test("a change raises the revision by one and writes only what differs", () => {
		const { state, effects } = play(loaded([day]), policy([day, user("ann")]));
		expect(state.revision).toBe(1);
		expect(effects).toEqual([{ id: 1, kind: "writeBudgets", revision: 1, requestedBy: "ann", setKeys: [selectorKey(user("ann"))], removeKeys: [] }]);
		expect(definitionsOf(state, [selectorKey(user("ann"))])).toEqual([user("ann")]);
	});

	test("asking for what is in force changes nothing", () => {
		const { state, effects } = play(loaded([day]), policy([day]));
		expect([state.revision, effects]).toEqual([0, []]);
	});

	test("a definition that says the same in another order is no change; every other word is", () => {
		const degrade: BudgetDefinition = { ...day, thresholds: [{ action: "degrade", at: { basisPoints: 9000 }, degradeTo: { a: "b", c: "d" } }] };
		const { thresholds: _, ...rest } = degrade;
		const turned = { thresholds: [{ degradeTo: { c: "d", a: "b" }, at: { basisPoints: 9000 }, action: "degrade" }] as const, ...rest };
		expect(play(loaded([degrade]), policy([turned])).effects).toEqual([]);
		const changes: Partial<BudgetDefinition>[] = [
			{ mode: "observe" },
			{ weekStart: 2 },
			{ fiscalYearStart: 4 },
			{ thresholds: [] },
			{ timeZone: "Asia/Tokyo" },
		];
		for (const change of changes) expect(play(loaded([degrade]), policy([{ ...degrade, ...change }])).effects).toMatchObject([{ kind: "writeBudgets" }]);
	});

	test("setting a budget that has overrun again is a change, because only a write clears it; one that is not named stays stopped", () => {
		const overrun = loaded([day, user("ann")], [{ ...windowOf(day), overrun: "700" }]);
		expect(play(overrun, policy([day])).effects).toMatchObject([{ kind: "writeBudgets", revision: 1, setKeys: [selectorKey(day)] }]);
		expect(play(overrun, policy([user("ann")])).effects).toEqual([]);
	});

	test("asked to clear overruns that no report told of yet, what is named is written", () => {
		expect(play(loaded([day, user("ann")]), policy([day], { clearsOverruns: true })).effects).toMatchObject([{ setKeys: [selectorKey(day)] }]);
	});

	test("replace ends what is not named, patch ends only what is", () => {
		const both = loaded([day, user("ann")]);
		expect(play(both, policy([day], { mode: "replace" })).state.budgets.map(({ key }) => key)).toEqual([selectorKey(day)]);
		expect(play(both, policy([], { removeKeys: [selectorKey(day), "unknown"] })).effects).toMatchObject([{ removeKeys: [selectorKey(day)] }]);
	});

	test("a raised limit withdraws a standing warning at once, without a new total", () => {
		const { effects } = play(loaded([day]), totals("900", 1), policy([{ ...day, limitAmount: "5000" }]));
		expect(announced(effects)).toEqual(["threshold.warn.fired", "threshold.warn.withdrawn"]);
	});

	test("a fence that stood higher moves the change to the next free revision", () => {
		const { state } = play(loaded([day]), policy([{ ...day, limitAmount: "5" }]));
		const revised = reviseEffect(state, 1, 40);
		expect([revised.revision, revised.outbox[0]]).toEqual([41, expect.objectContaining({ id: 1, revision: 41 })]);
	});

	test("an effect that is done leaves the outbox and tells what PostgreSQL holds", () => {
		const { state } = play(loaded(), policy([day]), { kind: "effectDone", id: 1, heldRevision: 1 });
		expect([state.outbox, state.heldRevision]).toEqual([[], 1]);
	});
});

describe("a change that PostgreSQL refuses for what it says", () => {
	const refused: TeamBudgetEvent = { kind: "effectRefused", id: 1, problem: "invalid byte \u0000 sequence" };
	const reread = (budgets: readonly BudgetDefinition[], overrides: Partial<Extract<TeamBudgetEvent, { kind: "loaded" | "reread" }>> = {}): TeamBudgetEvent => ({
		kind: "reread",
		revision: 4,
		isFrozen: false,
		budgets,
		windows: [],
		...overrides,
	});

	test("leaves the outbox to those behind it, is announced and shown, and is not asked for twice", () => {
		const { state } = play(loaded([day]), policy([user("bad")]), policy([{ ...day, limitAmount: "2000" }]), refused);
		expect(state.outbox).toEqual([
			expect.objectContaining({ id: 2, kind: "writeBudgets", setKeys: [selectorKey(day)] }),
			{ id: 3, kind: "announceRefusal", revision: 1, requestedBy: "ann", problem: "invalid byte ? sequence" },
		]);
		expect([state.mustReread, state.refusedChange?.revision]).toEqual([true, 1]);
		expect(play(state, { ...refused, id: 99 }).state).toEqual(state);
	});

	test("what PostgreSQL holds is read again, except where a change still waits", () => {
		const { state } = play(loaded([day, user("ann")]), totals("900", 4), policy([{ ...day, limitAmount: "5" }]), { ...refused, id: 2 }, policy([user("bob")]), {
			kind: "policyApplied",
			mode: "patch",
			set: [],
			removeKeys: [selectorKey(user("ann"))],
			requestedBy: "ann",
		});
		const after = play(state, reread([day, user("ann")])).state;
		expect(after.budgets.map(({ definition }) => definition)).toEqual([day, user("bob")]);
		expect(after.budgets[0]?.window).toMatchObject({ posted: "900" });
		expect([after.mustReread, after.revision, after.heldRevision]).toEqual([false, 4, 4]);
		// Asked for again, it is a change again.
		expect(play(after, policy([{ ...day, limitAmount: "5" }])).effects).toHaveLength(1);
	});

	test("a refused freeze is none", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "x", requestedBy: "ann" };
		expect(stateWord(play(loaded([day]), freeze, refused, reread([day])).state)).toBe("ok");
	});

	test("a refused announcement is given up and counted", () => {
		const { state } = play(loaded([day]), totals("900", 1), refused);
		expect([state.outbox, state.announcementsLost, state.mustReread]).toEqual([[], 1, false]);
	});
});

describe("the outbox is bounded", () => {
	test(`more than ${WAITING_CHANGES_MAX} changes, or 500 budgets in them, do not wait`, () => {
		const changes = (count: number) =>
			play(loaded([day]), ...Array.from({ length: count }, (_, index) => policy([{ ...day, limitAmount: String(5_000 + index) }]))).state;
		expect([WAITING_CHANGES_MAX - 1, WAITING_CHANGES_MAX].map((count) => hasRoomForChange(changes(count)))).toEqual([true, false]);
		const wide = (count: number) => play(loaded(), ...Array.from({ length: count }, (_, round) => policy(fullest(`${round}`), { mode: "replace" }))).state;
		expect([5, 6].map((count) => hasRoomForChange(wide(count - 1)))).toEqual([true, false]);
	});

	test(`beyond ${WAITING_ANNOUNCEMENTS_MAX} the oldest announcements are given up and counted; changes never are`, () => {
		const windows = Array.from({ length: 600 }, (_, index) => totals("1000", 1, { startsAtMs: index * HOUR_MS, endsAtMs: (index + 1) * HOUR_MS }));
		const { state } = play(loaded([day]), policy([user("ann")]), ...windows);
		expect(state.outbox).toHaveLength(WAITING_ANNOUNCEMENTS_MAX + 1);
		expect(state.announcementsLost).toBe(1_200 - WAITING_ANNOUNCEMENTS_MAX);
		expect(state.outbox[0]).toMatchObject({ kind: "writeBudgets" });
		expect(state.outbox.at(-1)).toMatchObject({ windowStartsAtMs: 599 * HOUR_MS });
	});
});

describe("freeze", () => {
	test("is a revision of its own, is shown, and repeating it changes nothing", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "runaway", requestedBy: "ann" };
		const { state, effects } = play(loaded([day]), freeze, freeze);
		expect(effects).toEqual([{ id: 1, kind: "setFrozen", revision: 1, requestedBy: "ann", isFrozen: true, reason: "runaway", knownSeq: 0 }]);
		expect([stateWord(state), state.freezeReason]).toEqual(["frozen", "runaway"]);
	});
});

describe("a freeze that a person put into PostgreSQL", () => {
	const frozenAt = (seq: number) => ({ isFrozen: true, reason: "runaway", seq });
	const told = (freeze: HeldFreeze): TeamBudgetEvent => ({ kind: "totalsReported", report: { windows: [], lastRefusals: [], freeze } });
	const command = (isFrozen: boolean, heldSeq: number): TeamBudgetEvent => ({
		kind: "freezeChanged",
		isFrozen,
		reason: "by command",
		requestedBy: "ann",
		heldSeq,
	});

	test("is taken up from the command or from the totals without a write, and the older of two readings changes nothing", () => {
		for (const news of [told(frozenAt(4)), { ...command(true, 4), reason: "runaway" }]) {
			const { state, effects } = play(loaded([day]), news, told({ isFrozen: false, reason: null, seq: 3 }));
			expect([effects, stateWord(state), state.freezeReason, state.freezeSeq]).toEqual([[], "frozen", "runaway", 4]);
			expect(stateWord(play(state, told({ isFrozen: false, reason: null, seq: 5 })).state)).toBe("ok");
		}
	});

	test("unfreezing through the workflow says which decision it knew of", () => {
		const { effects } = play(loaded([day]), told(frozenAt(4)), { kind: "freezeChanged", isFrozen: false, reason: "", requestedBy: "ann" });
		expect(effects).toMatchObject([{ kind: "setFrozen", isFrozen: false, knownSeq: 4 }]);
	});

	test("what the workflow wrote meanwhile is answered with what holds", () => {
		const unfreeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: false, reason: "", requestedBy: "ann" };
		const { state } = play(loaded([day]), told(frozenAt(4)), unfreeze, { kind: "effectDone", id: 1, heldRevision: 1, freeze: frozenAt(5) });
		expect([stateWord(state), state.freezeSeq, state.outbox]).toEqual(["frozen", 5, []]);
	});

	test("makes an unwritten freeze of before outdated; totals do not", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "", requestedBy: "ann" };
		expect(play(loaded([day]), freeze, told({ isFrozen: false, reason: null, seq: 2 })).state).toMatchObject({
			isFrozen: true,
			outbox: [{ kind: "setFrozen" }],
		});
		expect(play(loaded([day]), freeze, command(false, 2)).state).toMatchObject({ isFrozen: false, freezeSeq: 2, outbox: [] });
	});

	test("is known to a workflow that begins", () => {
		const event: TeamBudgetEvent = { kind: "loaded", revision: 3, isFrozen: true, freezeReason: "runaway", freezeSeq: 7, budgets: [day], windows: [] };
		expect(play(emptyTeamBudget("demo"), event).state).toMatchObject({ isFrozen: true, freezeReason: "runaway", freezeSeq: 7 });
	});
});
