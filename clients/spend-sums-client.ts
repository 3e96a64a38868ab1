import { WorkflowIdConflictPolicy } from "@temporalio/common";
import { type RecountedDays, recountWorkflowId, SPEND_SUMS_TASK_QUEUE, SPEND_SUMS_WORKFLOW, type SpendSumsInput } from "#workflows/spend-sums/messages.ts";
import { WorkflowMessages, type WorkflowMessagesOptions } from "./workflow-messages.ts";

/** The sums of spend, where they are to be made anew. Raises CostControlError "governance.unreachable" when Temporal does not answer. */
export class SpendSumsClient {
	private readonly options: WorkflowMessagesOptions;
	private readonly messages: WorkflowMessages;

	constructor(options: WorkflowMessagesOptions) {
		this.options = options;
		this.messages = new WorkflowMessages(options, { code: "admin.not_found", message: "these days are not being counted" });
	}

	/** Begins to count days of UTC anew; where the same days are being counted that goes on. Resolves with the id of the workflow. */
	async recount(days: RecountedDays, by: string): Promise<{ readonly workflowId: string }> {
		const workflowId = recountWorkflowId(days);
		await this.messages.message(() =>
			this.options.client.workflow.start(SPEND_SUMS_WORKFLOW, {
				workflowId,
				taskQueue: SPEND_SUMS_TASK_QUEUE,
				workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
				args: [{ recount: days, by } satisfies SpendSumsInput],
				staticSummary: `Sums of spend from ${days.from} to ${days.to}`,
			}),
		);
		return { workflowId };
	}
}
