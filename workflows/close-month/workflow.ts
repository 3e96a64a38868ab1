import { allHandlersFinished, condition, setHandler, workflowInfo } from "@temporalio/workflow";
import { askMonthApproval, beginMonthDraft, decideMonth, finishMonthDraft, shareMonthDraft, writeMonthDraft } from "../shared/activity-proxies.ts";
import { guardHandler } from "../shared/handler-errors.ts";
import { MonthClose } from "./close.ts";
import { approveStatementsUpdate, type CloseMonthInput, type CloseMonthResult, closeMonthStatusQuery, rejectStatementsUpdate } from "./messages.ts";

const HOUR_MS = 3_600_000;
/** People are reminded less and less often, and no more after a year. */
const REMINDERS_MAX = 60;

/**
 * Closes a month: drafts the statements of all teams, waits for a person where the rules ask for one, and closes. All of it stands in PostgreSQL, which
 * lets a closed month never change; here is only what is done next. Begun again it makes another draft, and of a closed month nothing.
 */
export async function closeMonthWorkflow({ month, by, pacePermille = 1_000 }: CloseMonthInput): Promise<CloseMonthResult> {
	const close = new MonthClose(month);
	setHandlers(close);
	const begun = await beginMonthDraft({ month, by, run: workflowInfo().runId });
	if (begun.outcome !== "begun") return close.end(begun.outcome);
	const { draft, needsApproval, remindAfterHours } = begun;
	close.begin(draft);
	await writeMonthDraft({ month, draft });
	await shareMonthDraft({ month, draft });
	await finishMonthDraft({ month, draft });
	if (needsApproval) await waitForDecision(close, (remindAfterHours * HOUR_MS * pacePermille) / 1_000);
	const { isApproved, by: decidedBy, reason } = close.decision ?? { isApproved: true, by: null, reason: null };
	close.decide();
	const { outcome } = await decideMonth({ month, draft, isClosed: isApproved, by: decidedBy, reason });
	await condition(allHandlersFinished);
	if (outcome === "superseded") return close.end("superseded");
	return close.end(isApproved ? "closed" : "rejected");
}

async function waitForDecision(close: MonthClose, remindAfterMs: number): Promise<void> {
	close.wait();
	const isDecided = (): boolean => close.decision !== null;
	while (!isDecided()) {
		if (close.reminders > REMINDERS_MAX) await condition(isDecided);
		else await tellAndWait(close, isDecided, remindAfterMs);
	}
}

async function tellAndWait(close: MonthClose, isDecided: () => boolean, remindAfterMs: number): Promise<void> {
	const { month, draft, reminders } = close;
	if (draft !== null) await askMonthApproval({ month, draft, reminder: reminders });
	close.remind();
	await condition(isDecided, remindAfterMs * Math.max(1, reminders));
}

function setHandlers(close: MonthClose): void {
	const validator = guardHandler(close.validate);
	setHandler(approveStatementsUpdate, (input) => close.take(input, true), {
		validator,
		description: 'Close the month as it is drafted: {"by":"YOUR NAME","reason":"…"}.',
	});
	setHandler(rejectStatementsUpdate, (input) => close.take(input, false), {
		validator,
		description: 'Keep the month open: {"by":"YOUR NAME","reason":"…"}. Closing it begins anew.',
	});
	setHandler(closeMonthStatusQuery, () => close.status(), { description: "What is done of the close, and whether it waits for a person." });
}
