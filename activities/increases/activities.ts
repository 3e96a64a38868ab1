import type { IncreaseRules } from "#domain/budget/increases.ts";
import type { HeldRevision } from "../budgets/port.ts";
import { asActivity } from "../shared/activity-errors.ts";
import type { IncreaseStore, RecordIncreaseInput } from "./port.ts";

export type IncreaseActivities = ReturnType<typeof createIncreaseActivities>;

/** Every activity is idempotent: by its revision and by the row of the request. */
export function createIncreaseActivities(store: IncreaseStore) {
	return {
		readIncreaseRules: (input: { readonly teamId: string }): Promise<IncreaseRules> => asActivity(() => store.readIncreaseRules(input)),
		recordIncrease: (input: RecordIncreaseInput): Promise<HeldRevision> => asActivity(() => store.recordIncrease(input)),
		applyIncrease: (input: Omit<RecordIncreaseInput, "requestedBy">): Promise<HeldRevision> => asActivity(() => store.applyIncrease(input)),
		endIncreaseEarly: (input: Omit<RecordIncreaseInput, "requestedBy">): Promise<HeldRevision> => asActivity(() => store.endIncreaseEarly(input)),
		endIncreases: (input: Parameters<IncreaseStore["endIncreases"]>[0]): Promise<HeldRevision> => asActivity(() => store.endIncreases(input)),
	};
}
