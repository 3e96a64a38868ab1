import type { ActivityOptions } from "@temporalio/workflow";

/**
 * Timeout and retry classes. `sql`: one statement of at most 2 s; after a minute without success the activity
 * fails and the workflow decides (it keeps the work in its outbox), so that PostgreSQL being away for hours
 * neither grows the history by retries nor blocks continue-as-new.
 */
export const SQL_ACTIVITY = {
	startToCloseTimeout: "10 seconds",
	scheduleToCloseTimeout: "60 seconds",
	retry: { initialInterval: "200 milliseconds", backoffCoefficient: 2, maximumInterval: "5 seconds" },
} as const satisfies ActivityOptions;

/** What an update waits for: given up within the ten seconds for which whoever sent it waits. */
export const SQL_ACTIVITY_FOR_AN_UPDATE = {
	startToCloseTimeout: "4 seconds",
	scheduleToCloseTimeout: "8 seconds",
	retry: SQL_ACTIVITY.retry,
} as const satisfies ActivityOptions;
