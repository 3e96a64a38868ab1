import type { Queryable } from "#activities/keys/port.ts";
import { monthAt, monthBefore } from "#domain/chargeback/month.ts";
import { pulsing } from "../shared/pulsing.ts";
import { askApproval, beginDraft, decideMonth, finishDraft, monthsToClose, shareDraft, writeDraft } from "./draft.ts";
import type { BeginDraftInput, BegunDraft, DecidedMonth, DecideMonthInput, DraftInput, RemindInput } from "./port.ts";
import { readRules } from "./rules.ts";

export type ChargebackDependencies = {
	/** Its statements may take a minute. */
	readonly database: Queryable;
	/** Says that an activity is alive. */
	readonly heartbeat: () => void;
};

export type ChargebackActivities = ReturnType<typeof createChargebackActivities>;

/** The steps of a month's close, and what its schedule asks. Each may be cut at any point and be done again. */
export function createChargebackActivities({ database, heartbeat }: ChargebackDependencies) {
	return {
		/** Finished months without statements, up to the one before `atMs` on the calendar of the rules. */
		listMonthsToClose: ({ atMs }: { readonly atMs: number }): Promise<string[]> =>
			pulsing(heartbeat, async () => monthsToClose(database, monthBefore(monthAt(atMs, (await readRules(database)).rules.timeZone)))),
		beginMonthDraft: (input: BeginDraftInput): Promise<BegunDraft> => pulsing(heartbeat, () => beginDraft(database, input)),
		writeMonthDraft: (input: DraftInput): Promise<void> => pulsing(heartbeat, () => writeDraft(database, input)),
		shareMonthDraft: (input: DraftInput): Promise<void> => pulsing(heartbeat, () => shareDraft(database, input)),
		finishMonthDraft: (input: DraftInput): Promise<void> => pulsing(heartbeat, () => finishDraft(database, input)),
		askMonthApproval: (input: RemindInput): Promise<boolean> => pulsing(heartbeat, () => askApproval(database, input)),
		decideMonth: (input: DecideMonthInput): Promise<DecidedMonth> => pulsing(heartbeat, () => decideMonth(database, input)),
	};
}
