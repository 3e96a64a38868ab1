import { describe, expect, test } from "vitest";
import type { BudgetDefinition, BudgetThreshold } from "#domain/budget/scope.ts";
import { checkBudgetsTogether, MAX_BUDGETS_PER_TEAM, selectorKey } from "#domain/budget/scope.ts";
import { hasRoomForChange, WAITING_ANNOUNCEMENTS_MAX } from "#domain/budget/team-budget-outbox.ts";
import type { TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { type CarriedState, emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { DAILY_BUDGET as day } from "#test/support/daily-budget.ts";
import { announced, fullest, HOUR_MS, loaded, play, policy, totals, user } from "#test/support/team-budget-events.ts";
import { carriedState, initialState } from "#workflows/team-budget/state.ts";

function withTwoWindows(budgets: readonly BudgetDefinition[], posted: string): TeamBudgetState {
	const events = budgets.flatMap((budget) =>
		[0, 1].map((dayIndex) =>
			totals(posted, 99_999, {
				key: selectorKey(budget),
				startsAtMs: 1_763_856_000_000 + dayIndex * 24 * HOUR_MS,
				endsAtMs: 1_763_856_000_000 + (dayIndex + 1) * 24 * HOUR_MS,
			}),
		),
	);
	return play(loaded(budgets), ...events).state;
}

describe("the state that continue-as-new carries", () => {
	const bytes = (state: TeamBudgetState): number => Buffer.byteLength(JSON.stringify(carriedState(state)));

	test("100 budgets with names of ordinary length stay below 64 KiB", () => {
		const budgets = Array.from({ length: MAX_BUDGETS_PER_TEAM }, (_, index) => user(`person-${String(index).padStart(3, "0")}@example.com`));
		const state = { ...play(withTwoWindows(budgets, "123456789012"), { kind: "timePassed", nowMs: 1_763_856_000_000 + 26 * HOUR_MS }).state, outbox: [] };
		expect(state.budgets[0]?.window?.posted).toBe("123456789012");
		expect(bytes(state)).toBeLessThan(64 * 1024);
	});

	test("the fullest state there can be, with a full outbox, stays below 1.5 MiB", () => {
		const lines = Array.from({ length: 8 }, (_, index): BudgetThreshold => ({ action: "needApproval", at: { basisPoints: 1000 + index } }));
		const definitions = fullest("a", "한").map((budget) => ({ ...budget, thresholds: lines }));
		expect(checkBudgetsTogether(definitions, "demo", "set").map(({ problem }) => problem)).not.toContainEqual(expect.stringContaining("thresholds"));
		const { state } = play(withTwoWindows(definitions, "9".repeat(30)), ...Array.from({ length: 6 }, (_, round) => anotherDay(definitions, round)).flat());
		expect(state.outbox.filter(({ kind }) => kind === "announce")).toHaveLength(WAITING_ANNOUNCEMENTS_MAX);
		const waiting = Array.from({ length: 5 }, (_, round) => policy(fullest(`w${round}`, "한"), { mode: "replace", requestedBy: "한".repeat(100) }));
		const full = play(state, ...waiting).state;
		expect(hasRoomForChange(full)).toBe(false);
		expect(bytes(full)).toBeLessThan(1.5 * 1024 * 1024);
	});

	test("is read back whole", () => {
		const state = withTwoWindows([day, user("ann")], "900");
		expect(initialState({ teamId: "demo", hasSearchAttributes: false, state: carriedState(state) })).toEqual(state);
	});

	test("of an older release is taken up with first values for what it did not have", () => {
		const { mustReread: _, refusedChange: __, announcementsLost: ___, freezeSeq: ____, ...old } = loaded([day]);
		expect(initialState({ teamId: "demo", hasSearchAttributes: false, state: old as TeamBudgetState })).toEqual(loaded([day]));
	});

	test("of a release without thresholds keeps its budgets, its totals and what has fired: nothing is told twice", () => {
		const { weekStart: _, fiscalYearStart: __, mode: ___, thresholds: ____, ...rest } = day;
		const definition = { ...rest, stopAmount: "900", warnBasisPoints: 5000 };
		const thresholds = { warn: { highestFiredAmount: "600", isStanding: true }, stop: { highestFiredAmount: null, isStanding: false } };
		const amounts = { granted: "850", posted: "850", overrun: "0", leases: 1, refusals: 0, version: 7 };
		const window = { startsAtMs: 0, endsAtMs: 24 * HOUR_MS, ...amounts, thresholds };
		const older = { ...emptyTeamBudget("demo"), schemaVersion: 1, isLoaded: true, budgets: [{ definition, window, previous: null }] };
		const state = initialState({ teamId: "demo", hasSearchAttributes: false, state: older as unknown as CarriedState });
		expect(state.schemaVersion).toBe(2);
		expect(state.budgets[0]).toMatchObject({
			definition: {
				...{ limitAmount: "1000", mode: "enforce", weekStart: 1, fiscalYearStart: 1 },
				thresholds: [
					{ action: "notify", at: { basisPoints: 5000 } },
					{ action: "stop", at: { amount: "900" } },
				],
			},
			window: { posted: "850", approved: "0", observedRefusals: 0, thresholds: [{ action: "notify", amount: "600", isStanding: true }] },
		});
		const { effects } = play(state, totals("850", 8), totals("900", 9));
		expect(announced(effects)).toEqual(["threshold.stop.fired"]);
		expect(() => initialState({ teamId: "demo", hasSearchAttributes: false, state: { ...older, schemaVersion: 3 } as unknown as CarriedState })).toThrow(
			/version 3/,
		);
	});
});

/** Every budget gets another window, over its limit. */
function anotherDay(definitions: readonly BudgetDefinition[], round: number): TeamBudgetEvent[] {
	const startsAtMs = 1_763_856_000_000 + (round + 2) * 24 * HOUR_MS;
	return definitions.map((budget) => totals("9".repeat(30), 1, { key: selectorKey(budget), startsAtMs, endsAtMs: startsAtMs + 24 * HOUR_MS }));
}
