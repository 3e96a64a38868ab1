import { agentRunWorkflowId } from "#workflows/agent-run/messages.ts";
import { batchJobWorkflowId } from "#workflows/batch-job/messages.ts";
import { closeMonthWorkflowId } from "#workflows/close-month/messages.ts";

export type TemporalPlace = {
	/** Of Temporal's web UI, without or with `/namespaces/NAME`; null: nobody said where it is. */
	readonly uiUrl: string | null;
	/** Where the address names none. */
	readonly namespace: string;
};

/** Ids of the workflows of runs, batches and months, and where they are looked at in Temporal's web UI. */
export function createWorkflowLinks({ uiUrl, namespace }: TemporalPlace) {
	const origin = uiUrl?.replace(/\/+$/, "");
	const workflows = origin?.includes("/namespaces/") === true ? origin : `${origin}/namespaces/${encodeURIComponent(namespace)}`;
	const linkOf = (id: string) => ({ id, uiUrl: origin === undefined ? null : `${workflows}/workflows/${encodeURIComponent(id)}` });
	return {
		of: linkOf,
		ofRun: (runId: string) => linkOf(agentRunWorkflowId(runId)),
		ofBatch: (batchId: string) => linkOf(batchJobWorkflowId(batchId)),
		ofMonth: (month: string) => linkOf(closeMonthWorkflowId(month)),
	};
}
