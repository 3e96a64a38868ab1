import { workflowInfo } from "@temporalio/workflow";

/**
 * When a long-lived workflow begins a new run: when the server suggests it (4,096 events, 4 MiB or 1,800 updates),
 * a newer worker deployment waits, or its own count of messages is reached. The own count keeps runs short enough
 * to replay in well under a second and lets tests roll without thousands of events.
 */
export const MESSAGES_PER_RUN = 500;

export function isRunLongEnough(messagesHandled: number, messagesPerRun: number): boolean {
	const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged } = workflowInfo();
	return continueAsNewSuggested || targetWorkerDeploymentVersionChanged === true || messagesHandled >= messagesPerRun;
}
