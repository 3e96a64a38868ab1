import type { Queryable } from "#activities/keys/port.ts";
import { pulsing } from "../shared/pulsing.ts";
import { recountSpend } from "./recount-spend.ts";

export type SpendActivities = ReturnType<typeof createSpendActivities>;

export type SpendDependencies = {
	/** Of its own: of a large day a statement takes minutes. */
	readonly database: Queryable;
	/** Counts at most so many chunks of what was booked and is in no sum yet; true: there is no more. */
	countSome(): Promise<boolean>;
	/** Says that an activity is alive. */
	readonly heartbeat: () => void;
};

/** The steps of the workflow that keeps the sums of spend. Each may be cut at any point and be done again. */
export function createSpendActivities({ database, countSome, heartbeat }: SpendDependencies) {
	return {
		countSpendBooked: (): Promise<void> =>
			pulsing(heartbeat, async () => {
				while (!(await countSome()));
			}),
		recountSpendDay: ({ day }: { readonly day: string }): Promise<void> => pulsing(heartbeat, () => recountSpend(database, day)),
	};
}
