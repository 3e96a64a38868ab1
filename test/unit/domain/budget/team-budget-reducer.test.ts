import { describe, expect, test } from "vitest";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { MAX_BUDGETS_PER_TEAM, selectorKey } from "#domain/budget/scope.ts";
import { definitionsOf, nextWindowEndMs, reduceTeamBudget, reviseEffect, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { type BudgetEffect, emptyTeamBudget, stateWord, type TeamBudgetState, type WindowReport } from "#domain/budget/team-budget-state.ts";

const HOUR_MS = 3_600_000;
const day: BudgetDefinition = {
	dimension: "team",
	dimensionValue: "",
	unit: "nano_usd",
	windowKind: "day",
	timeZone: "UTC",
	limitAmount: "1000",
	stopAmount: null,
	warnBasisPoints: 8000,
};
const user = (dimensionValue: string): BudgetDefinition => ({ ...day, dimension: "user", dimensionValue });

function loaded(budgets: readonly BudgetDefinition[] = [], windows: readonly WindowReport[] = []): TeamBudgetState {
	return reduceTeamBudget(emptyTeamBudget("demo"), { kind: "loaded", revision: 0, isFrozen: false, budgets, windows }).state;
}

function play(state: TeamBudgetState, ...events: TeamBudgetEvent[]): { state: TeamBudgetState; effects: BudgetEffect[] } {
	const effects: BudgetEffect[] = [];
	let current = state;
	for (const event of events) {
		const reduced = reduceTeamBudget(current, event);
		current = reduced.state;
		effects.push(...reduced.effects);
	}
	return { state: current, effects };
}

const policy = (set: readonly BudgetDefinition[], overrides: Partial<Extract<TeamBudgetEvent, { kind: "policyApplied" }>> = {}): TeamBudgetEvent => ({
	kind: "policyApplied",
	mode: "patch",
	set,
	removeKeys: [],
	requestedBy: "ann",
	...overrides,
});

function totals(posted: string, version: number, overrides: Partial<WindowReport> = {}): TeamBudgetEvent {
	const window: WindowReport = {
		key: selectorKey(day),
		startsAtMs: 0,
		endsAtMs: 24 * HOUR_MS,
		granted: posted,
		posted,
		overrun: "0",
		leases: 1,
		refusals: 0,
		version,
		...overrides,
	};
	return { kind: "totalsReported", report: { windows: [window], lastRefusals: [] } };
}

const announced = (effects: readonly BudgetEffect[]): string[] => effects.flatMap((effect) => (effect.kind === "announce" ? [effect.event] : []));

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

describe("freeze", () => {
	test("is a revision of its own, is shown, and repeating it changes nothing", () => {
		const freeze: TeamBudgetEvent = { kind: "freezeChanged", isFrozen: true, reason: "runaway", requestedBy: "ann" };
		const { state, effects } = play(loaded([day]), freeze, freeze);
		expect(effects).toEqual([{ id: 1, kind: "setFrozen", revision: 1, requestedBy: "ann", isFrozen: true, reason: "runaway" }]);
		expect([stateWord(state), state.freezeReason]).toEqual(["frozen", "runaway"]);
	});
});

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

test("the fullest team's state stays below 64 KiB", () => {
	const budgets = Array.from({ length: MAX_BUDGETS_PER_TEAM }, (_, index) => user(`person-${String(index).padStart(3, "0")}@example.com`));
	const events = budgets.flatMap((budget) =>
		[0, 1].map((dayIndex) =>
			totals("123456789012", 99_999, {
				key: selectorKey(budget),
				startsAtMs: 1_763_856_000_000 + dayIndex * 24 * HOUR_MS,
				endsAtMs: 1_763_856_000_000 + (dayIndex + 1) * 24 * HOUR_MS,
			}),
		),
	);
	const { state } = play(loaded(budgets), ...events, { kind: "timePassed", nowMs: 1_763_856_000_000 + 26 * HOUR_MS });
	const settled = { ...state, outbox: [] };
	expect(settled.budgets).toHaveLength(MAX_BUDGETS_PER_TEAM);
	expect(settled.budgets[0]?.window?.posted).toBe("123456789012");
	expect(JSON.stringify(settled).length).toBeLessThan(64 * 1024);
});
