import type { GovernanceEvent } from "#activities/budgets/port.ts";
import { type BudgetSelector, selectorFromKey, selectorKey } from "#domain/budget/scope.ts";
import type { BudgetEffect, TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { toIncreaseEvent } from "./increase-effects.ts";

/** Announcements with keys that stay the same however often they are sent. */
export function toGovernanceEvents(teamId: string, effects: readonly BudgetEffect[]): GovernanceEvent[] {
	return effects.flatMap((effect): GovernanceEvent[] => {
		if (effect.kind === "announceRefusal") {
			const { revision, requestedBy, problem } = effect;
			return [{ eventKey: `${teamId}|change.refused|${revision}|${effect.id}`, teamId, event: "change.refused", detail: { revision, requestedBy, problem } }];
		}
		if (effect.kind === "announceIncrease") return [toIncreaseEvent(teamId, effect)];
		if (effect.kind !== "announce") return [];
		const { key, event, windowStartsAtMs, amount, posted, limitAmount } = effect;
		// A withdrawal may repeat in one window, so it counts by effect; a line fires once per window and amount.
		const once = event.endsWith(".withdrawn") ? `${amount}|${effect.id}` : amount;
		return [
			{
				eventKey: `${teamId}|${key}|${windowStartsAtMs}|${event}|${once}`,
				teamId,
				event,
				detail: { budget: key, windowStartsAtMs, amount, posted, limitAmount },
			},
		];
	});
}

/** Selectors to end, except those that a later change set again. */
export function removedSelectors(state: TeamBudgetState, keys: readonly string[]): BudgetSelector[] {
	const present = new Set(state.budgets.map(({ definition }) => selectorKey(definition)));
	return keys.filter((key) => !present.has(key)).map(selectorFromKey);
}
