/** The wire contract of the workflow that keeps the sums of spend. Names here are persisted by Temporal: never renamed, never reused. */
export const SPEND_SUMS_WORKFLOW = "spendSumsWorkflow";
/** That of reports, which read them. */
export const SPEND_SUMS_TASK_QUEUE = "reports";
/** Of the schedule, and before the time of each of its runs. */
export const SPEND_SUMS_SCHEDULE = "spend-sums/hourly";
/** As many days at once: the history stays short. */
export const RECOUNT_DAYS_MAX = 400;

/** Of whoever asks for the same days again while they are counted: it joins. */
export function recountWorkflowId({ from, to }: RecountedDays): string {
	return `spend-sums/${from}_${to}`;
}

/** Days of UTC like "2026-10-31", both of them counted. */
export type RecountedDays = { readonly from: string; readonly to: string };

export type SpendSumsInput = {
	/** Days whose sums are made anew; default: none, only what is booked and not counted yet is. */
	readonly recount?: RecountedDays;
	/** Name of who asked; absent: the schedule. */
	readonly by?: string;
};

export type SpendSumsResult = { readonly recountedDays: number };
