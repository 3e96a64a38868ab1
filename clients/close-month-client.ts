import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type ScheduleSpec } from "@temporalio/client";
import { WorkflowIdConflictPolicy } from "@temporalio/common";
import {
	approveStatementsUpdate,
	CHARGEBACK_TASK_QUEUE,
	CLOSE_MONTH_WORKFLOW,
	type CloseMonthInput,
	type CloseMonthStatus,
	closeMonthStatusQuery,
	closeMonthWorkflowId,
	MONTH_END_SCHEDULE,
	MONTH_END_WORKFLOW,
	rejectStatementsUpdate,
	type StatementDecisionInput,
	type StatementDecisionResult,
} from "#workflows/close-month/messages.ts";
import { WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

export type CloseMonthClientOptions = WorkflowMessagesOptions & {
	/** Delays in thousandths of the ordinary ones; lower only in tests. */
	readonly pacePermille?: number;
};

/** A close that was missed while Temporal or the schedule was away is made up for this long. */
const CATCHUP_WINDOW = "7 days";

/**
 * The closing of months. Every method has a deadline and raises CostControlError: `governance.unreachable` when Temporal or its worker does not answer
 * (repeating any method is safe), `admin.conflict` where a month does not wait for what is decided of it.
 */
export class CloseMonthClient {
	private readonly options: CloseMonthClientOptions;
	private readonly messages: WorkflowMessages;

	constructor(options: CloseMonthClientOptions) {
		this.options = options;
		this.messages = new WorkflowMessages(options, {
			code: "admin.conflict",
			message: "this month does not wait for approval: npx tollgate statement show MONTH says how it stands, npx tollgate statement close MONTH begins it",
		});
	}

	/** Begins the close of a month like "2026-10"; one that runs goes on. */
	async close(month: string, by: string): Promise<void> {
		const { client, pacePermille } = this.options;
		const input: CloseMonthInput = { month, by, ...(pacePermille !== undefined && { pacePermille }) };
		await this.messages.message(() =>
			client.workflow.start(CLOSE_MONTH_WORKFLOW, {
				workflowId: closeMonthWorkflowId(month),
				taskQueue: CHARGEBACK_TASK_QUEUE,
				workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
				args: [input],
				staticSummary: `Statements of ${month}`,
			}),
		);
	}

	approve(month: string, input: StatementDecisionInput): Promise<StatementDecisionResult> {
		return this.messages.update(() => this.handle(month).executeUpdate(approveStatementsUpdate, { args: [input] }));
	}

	reject(month: string, input: StatementDecisionInput): Promise<StatementDecisionResult> {
		return this.messages.update(() => this.handle(month).executeUpdate(rejectStatementsUpdate, { args: [input] }));
	}

	status(month: string): Promise<CloseMonthStatus> {
		return this.messages.message(() => this.handle(month).query(closeMonthStatusQuery));
	}

	/**
	 * The schedule that closes months: at two in the night of the first, in that time zone. It is made where there is none; of one that is there, the time
	 * is set, and whether it is paused stays.
	 */
	async ensureSchedule(timeZone: string): Promise<void> {
		const { client } = this.options;
		const spec: ScheduleSpec = { calendars: [{ dayOfMonth: 1, hour: 2, comment: "closes the month before" }], timezone: timeZone };
		await this.messages.message(async () => {
			try {
				await client.schedule.create({
					scheduleId: MONTH_END_SCHEDULE,
					spec,
					action: { type: "startWorkflow", workflowType: MONTH_END_WORKFLOW, taskQueue: CHARGEBACK_TASK_QUEUE, workflowId: "month-end/schedule", args: [] },
					policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: CATCHUP_WINDOW },
				});
			} catch (error) {
				if (!(error instanceof ScheduleAlreadyRunning)) throw error;
				await client.schedule.getHandle(MONTH_END_SCHEDULE).update((known) => ({ ...known, spec }));
			}
		});
	}

	private handle(month: string) {
		return this.options.client.workflow.getHandle(closeMonthWorkflowId(month));
	}
}
