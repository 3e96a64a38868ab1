import type { Queryable } from "#activities/keys/port.ts";
import { monthAt, monthBefore } from "#domain/chargeback/month.ts";
import { asActivity } from "../shared/activity-errors.ts";
import { askApproval, beginDraft, decideMonth, finishDraft, monthsToClose, type Progress, shareDraft, writeDraft } from "./draft.ts";
import type { BeginDraftInput, BegunDraft, DecidedMonth, DecideMonthInput, DraftInput, RemindInput } from "./port.ts";
import { readRules } from "./rules.ts";

export type ChargebackDependencies = {
	/** Its statements may take a minute. */
	readonly database: Queryable;
	/** Called between the batches of a long step. */
	readonly progress: Progress;
};

export type ChargebackActivities = ReturnType<typeof createChargebackActivities>;

/** The steps of a month's close, and what its schedule asks. Each may be cut at any point and be done again. */
export function createChargebackActivities({ database, progress }: ChargebackDependencies) {
	return {
		/** Finished months without statements, up to the one before `atMs` on the calendar of the rules. */
		listMonthsToClose: ({ atMs }: { readonly atMs: number }): Promise<string[]> =>
			asActivity(async () => monthsToClose(database, monthBefore(monthAt(atMs, (await readRules(database)).rules.timeZone)))),
		beginMonthDraft: (input: BeginDraftInput): Promise<BegunDraft> => asActivity(() => beginDraft(database, input, progress)),
		writeMonthDraft: (input: DraftInput): Promise<void> => asActivity(() => writeDraft(database, input, progress)),
		shareMonthDraft: (input: DraftInput): Promise<void> => asActivity(() => shareDraft(database, input, progress)),
		finishMonthDraft: (input: DraftInput): Promise<void> => asActivity(() => finishDraft(database, input)),
		askMonthApproval: (input: RemindInput): Promise<boolean> => asActivity(() => askApproval(database, input)),
		decideMonth: (input: DecideMonthInput): Promise<DecidedMonth> => asActivity(() => decideMonth(database, input)),
	};
}
