import { assert } from "#domain/assert.ts";
import { presentDefinition } from "#domain/budget/older-definition.ts";
import { selectorKey } from "#domain/budget/scope.ts";
import { type CarriedState, emptyTeamBudget, emptyWindow, type TeamBudgetState, type WindowState } from "#domain/budget/team-budget-state.ts";
import type { FiredLine, WindowThresholds } from "#domain/budget/thresholds.ts";
import type { TeamBudgetInput } from "./messages.ts";

/**
 * The state a run begins with. It crosses continue-as-new as plain JSON, so every release must read what an older
 * one wrote: what is absent has its first value; a change of meaning is a new schema version with its upgrade here and
 * a history under test/replay/.
 */
export function initialState(input: TeamBudgetInput): TeamBudgetState {
	const fresh = emptyTeamBudget(input.teamId);
	if (input.state === undefined) return fresh;
	const version: number = input.state.schemaVersion;
	assert(version === 1 || version === 2, `unknown state version ${String(version)}`);
	assert(input.state.teamId === input.teamId, "a run carries its own team's state");
	const budgets = input.state.budgets.map(({ definition, window, previous, ...rest }) => ({
		...rest,
		key: selectorKey(definition),
		definition: presentDefinition(definition),
		window: presentWindow(window),
		previous: presentWindow(previous),
	}));
	return { ...fresh, ...input.state, schemaVersion: 2, budgets };
}

function presentWindow(window: WindowState | null): WindowState | null {
	if (window === null) return null;
	return { ...emptyWindow(window.startsAtMs, window.endsAtMs), ...window, thresholds: presentThresholds(window.thresholds) };
}

/** Version 1 remembered of the warning and of the stop the highest amount that fired, which stood for all below it. */
type OlderThresholds = Readonly<Record<"warn" | "stop", { readonly highestFiredAmount: string | null; readonly isStanding: boolean }>>;

function presentThresholds(thresholds: WindowThresholds | OlderThresholds): WindowThresholds {
	if (!("warn" in thresholds)) return thresholds;
	const lines = [
		["notify", thresholds.warn],
		["stop", thresholds.stop],
	] as const;
	return lines.flatMap(([action, { highestFiredAmount, isStanding }]): FiredLine[] =>
		highestFiredAmount === null ? [] : [{ action, amount: highestFiredAmount, isStanding, coversBelow: true }],
	);
}

/** The state as the next run gets it. */
export function carriedState(state: TeamBudgetState): CarriedState {
	return { ...state, budgets: state.budgets.map(({ key: _, ...budget }) => budget) };
}
