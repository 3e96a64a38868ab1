import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import { ParentClosePolicy, startChild } from "@temporalio/workflow";
import { listMonthsToClose } from "../shared/activity-proxies.ts";
import { CLOSE_MONTH_WORKFLOW, closeMonthWorkflowId } from "./messages.ts";
import type { closeMonthWorkflow } from "./workflow.ts";

/** Begins the close of every finished month that was never stated: that of the schedule, and any that was missed while nothing ran. */
export async function monthEndWorkflow(): Promise<{ readonly months: readonly string[] }> {
	const months = await listMonthsToClose({ atMs: Date.now() });
	for (const month of months) {
		try {
			// They go on by themselves, under the id that people look for.
			await startChild<typeof closeMonthWorkflow>(CLOSE_MONTH_WORKFLOW, {
				workflowId: closeMonthWorkflowId(month),
				args: [{ month, by: "schedule" }],
				parentClosePolicy: ParentClosePolicy.ABANDON,
				staticSummary: `Statements of ${month}`,
			});
		} catch (error) {
			// Somebody began it by hand.
			if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
		}
	}
	return { months };
}
