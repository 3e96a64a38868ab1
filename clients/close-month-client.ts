import { WorkflowIdConflictPolicy } from "@temporalio/common";
import {
	approveStatementsUpdate,
	CHARGEBACK_TASK_QUEUE,
	CLOSE_MONTH_WORKFLOW,
	type CloseMonthInput,
	type CloseMonthStatus,
	closeMonthStatusQuery,
	closeMonthWorkflowId,
	rejectStatementsUpdate,
	type StatementDecisionInput,
	type StatementDecisionResult,
} from "#workflows/close-month/messages.ts";
import { WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

export type CloseMonthClientOptions = WorkflowMessagesOptions & {
	/** Delays in thousandths of the ordinary ones; lower only in tests. */
	readonly pacePermille?: number;
};

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

	private handle(month: string) {
		return this.options.client.workflow.getHandle(closeMonthWorkflowId(month));
	}
}
