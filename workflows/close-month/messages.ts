import { defineQuery, defineUpdate } from "@temporalio/workflow";

/** The wire contract of a month's close. Names here are persisted by Temporal: never renamed, never reused. */
export const CLOSE_MONTH_WORKFLOW = "closeMonthWorkflow";
/** What the schedule starts: it begins the close of every finished month. */
export const MONTH_END_WORKFLOW = "monthEndWorkflow";
export const CHARGEBACK_TASK_QUEUE = "chargeback";
export const MONTH_END_SCHEDULE = "close-month";

const WORKFLOW_ID_PREFIX = "close-month/";

/** `month` like "2026-10". */
export function closeMonthWorkflowId(month: string): string {
	return WORKFLOW_ID_PREFIX + month;
}

export type CloseMonthInput = {
	readonly month: string;
	/** Who asked for it; "schedule" where nobody did. */
	readonly by: string;
	/** Delays in thousandths of the ordinary ones; default 1,000, low in tests. */
	readonly pacePermille?: number;
};

/** What became of the month: `closed` also where it was closed before. */
export type CloseMonthResult = {
	readonly month: string;
	readonly outcome: "closed" | "rejected" | "unfinished" | "superseded";
	/** The draft it was; null: none was made. */
	readonly draft: number | null;
};

export type CloseMonthStep = "drafting" | "waiting" | "deciding" | "done";

/** What `closeMonthStatus` answers. Amounts and lines stand in PostgreSQL. */
export type CloseMonthStatus = {
	readonly month: string;
	readonly step: CloseMonthStep;
	readonly draft: number | null;
	readonly decision: StatementDecision | null;
	/** Times that people were told that it waits. */
	readonly reminders: number;
};

/** `by` is typed by a person and not proven where it comes through the Temporal UI. */
export type StatementDecisionInput = {
	readonly by: string;
	readonly reason: string /** The draft that was looked at; absent: whichever waits. */;
	readonly draft?: number;
};
export type StatementDecision = { readonly isApproved: boolean; readonly by: string; readonly reason: string };
export type StatementDecisionResult = { readonly draft: number };

/** Closes the month as drafted. Refused with "admin.conflict" where nothing waits, another draft does, or it was decided already. */
export const approveStatementsUpdate = defineUpdate<StatementDecisionResult, [StatementDecisionInput]>("approveStatements");
/** Keeps it open: closing begins anew with another draft. */
export const rejectStatementsUpdate = defineUpdate<StatementDecisionResult, [StatementDecisionInput]>("rejectStatements");
export const closeMonthStatusQuery = defineQuery<CloseMonthStatus>("closeMonthStatus");
