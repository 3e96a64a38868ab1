import { type BudgetDefinition, MAX_BUDGETS_PER_TEAM, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { type BudgetEffect, emptyTeamBudget, type TeamBudgetState, type WindowReport } from "#domain/budget/team-budget-state.ts";
import { DAILY_BUDGET } from "./daily-budget.ts";

/** The state of a team's workflow as a test plays events on it; team "demo", windows from the first day of 1970. */
export const HOUR_MS = 3_600_000;
export const user = (dimensionValue: string): BudgetDefinition => ({ ...DAILY_BUDGET, dimension: "user", dimensionValue });

export function loaded(budgets: readonly BudgetDefinition[] = [], windows: readonly WindowReport[] = []): TeamBudgetState {
	return reduceTeamBudget(emptyTeamBudget("demo"), { kind: "loaded", revision: 0, isFrozen: false, budgets, windows }).state;
}

export function play(state: TeamBudgetState, ...events: TeamBudgetEvent[]): { state: TeamBudgetState; effects: BudgetEffect[] } {
	const effects: BudgetEffect[] = [];
	let current = state;
	for (const event of events) {
		const reduced = reduceTeamBudget(current, event);
		current = reduced.state;
		effects.push(...reduced.effects);
	}
	return { state: current, effects };
}

export const policy = (set: readonly BudgetDefinition[], overrides: Partial<Extract<TeamBudgetEvent, { kind: "policyApplied" }>> = {}): TeamBudgetEvent => ({
	kind: "policyApplied",
	mode: "patch",
	set,
	removeKeys: [],
	requestedBy: "ann",
	...overrides,
});

/** One report of `posted` in the first day of the daily budget. */
export function totals(posted: string, version: number, overrides: Partial<WindowReport> = {}): TeamBudgetEvent {
	const window: WindowReport = {
		key: selectorKey(DAILY_BUDGET),
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

/** Its first day, spent to the last. */
export const windowOf = (definition: BudgetDefinition): WindowReport => ({
	key: selectorKey(definition),
	startsAtMs: 0,
	endsAtMs: 24 * HOUR_MS,
	granted: "1000",
	posted: "1000",
	overrun: "0",
	leases: 1,
	refusals: 0,
	version: 1,
});

export const announced = (effects: readonly BudgetEffect[]): string[] => effects.flatMap((effect) => (effect.kind === "announce" ? [effect.event] : []));

/** As many budgets as a team can have, with the longest names there are: `letter` takes one, two or three bytes. */
export function fullest(prefix: string, letter = "x"): BudgetDefinition[] {
	return Array.from({ length: MAX_BUDGETS_PER_TEAM }, (_, index) => ({
		...user(`${prefix}-${index}-`.padEnd(128, letter)),
		limitAmount: "1000000000000000000",
		timeZone: "America/Argentina/Buenos_Aires",
	}));
}
