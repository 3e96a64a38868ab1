import { workflowInfo } from "@temporalio/workflow";

/**
 * When a long-lived workflow begins a new run: when the server suggests it (4,096 events, 4 MiB or 1,800 updates),
 * a newer worker deployment waits, or its own count of messages is reached. The own count keeps runs short enough
 * to replay in well under a second and lets tests roll without thousands of events.
 */
export const MESSAGES_PER_RUN = 500;

/** Of a workflow that drives something to its end, and counts its events: a batch that waits a whole day takes some 1,300, a flush of a collector some 13. */
export const EVENTS_PER_RUN = 2_000;

export function isRunLongEnough(messagesHandled: number, messagesPerRun: number): boolean {
	return isNewRunSuggested() || messagesHandled >= messagesPerRun;
}

export function isHistoryLongEnough(eventsPerRun: number): boolean {
	return isNewRunSuggested() || workflowInfo().historyLength >= eventsPerRun;
}

function isNewRunSuggested(): boolean {
	const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged } = workflowInfo();
	return continueAsNewSuggested || targetWorkerDeploymentVersionChanged === true;
}
