import { asActivity } from "../shared/activity-errors.ts";
import type { BudgetStore, GovernanceEvent, HeldBudgets, HeldRevision, SetFrozenInput, WriteBudgetsInput } from "./port.ts";

/** Told of each announcement exactly once, as far as this process lives: logs and metrics. */
export type GovernanceObserver = { announced(event: GovernanceEvent): void };

export type BudgetActivities = ReturnType<typeof createBudgetActivities>;

/** Every activity is idempotent: writes by their revision, announcements by their key. */
export function createBudgetActivities({ store, observer }: { readonly store: BudgetStore; readonly observer: GovernanceObserver }) {
	return {
		writeBudgets: (input: WriteBudgetsInput): Promise<HeldRevision> => asActivity(() => store.writeBudgets(input)),
		setFrozen: (input: SetFrozenInput): Promise<HeldRevision> => asActivity(() => store.setFrozen(input)),
		readBudgets: (input: { readonly teamId: string }): Promise<HeldBudgets> => asActivity(() => store.readBudgets(input)),
		announceEvents: (input: { readonly events: readonly GovernanceEvent[] }): Promise<void> =>
			asActivity(async () => {
				for (const event of input.events) {
					if (await store.recordEvent(event)) observer.announced(event);
				}
			}),
	};
}
