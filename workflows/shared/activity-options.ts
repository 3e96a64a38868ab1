import type { ActivityOptions, LocalActivityOptions } from "@temporalio/workflow";

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

/**
 * One try within the workflow task, far below the ten seconds a task has, so that a person's update does not wait for it. It
 * saves Temporal two tasks of three; where PostgreSQL does not take it at once, an ordinary activity goes on.
 */
export const SQL_ACTIVITY_WITHIN_A_TASK = {
	startToCloseTimeout: "2 seconds",
	scheduleToCloseTimeout: "3 seconds",
	retry: { maximumAttempts: 1 },
} as const satisfies LocalActivityOptions;

/** What an update waits for: given up within the ten seconds for which whoever sent it waits. */
export const SQL_ACTIVITY_FOR_AN_UPDATE = {
	startToCloseTimeout: "4 seconds",
	scheduleToCloseTimeout: "8 seconds",
	retry: SQL_ACTIVITY.retry,
} as const satisfies ActivityOptions;

/** One request to a provider: its retries are ours, since SDKs are told not to. */
export const PROVIDER_ACTIVITY = {
	startToCloseTimeout: "2 minutes",
	heartbeatTimeout: "20 seconds",
	scheduleToCloseTimeout: "10 minutes",
	retry: { initialInterval: "2 seconds", backoffCoefficient: 2, maximumInterval: "30 seconds", maximumAttempts: 4 },
} as const satisfies ActivityOptions;

/** Files of hundreds of megabytes pass, and a worker that is gone is noticed by its silence. */
export const STREAM_ACTIVITY = {
	startToCloseTimeout: "2 hours",
	heartbeatTimeout: "20 seconds",
	retry: { initialInterval: "2 seconds", backoffCoefficient: 2, maximumInterval: "60 seconds", maximumAttempts: 3 },
} as const satisfies ActivityOptions;

/** Steps of a month's close: each goes on where the try before it was cut. PostgreSQL may be away for days; after a month somebody has to look. */
export const MONTH_ACTIVITY = {
	startToCloseTimeout: "2 hours",
	heartbeatTimeout: "20 seconds",
	scheduleToCloseTimeout: "30 days",
	retry: { initialInterval: "1 second", backoffCoefficient: 2, maximumInterval: "5 minutes" },
} as const satisfies ActivityOptions;

/** Reports of a whole organisation: written page by page, and waited for while PostgreSQL is away, for days where it has to be. */
export const REPORT_ACTIVITY = {
	startToCloseTimeout: "1 hour",
	heartbeatTimeout: "20 seconds",
	scheduleToCloseTimeout: "3 days",
	retry: { initialInterval: "1 second", backoffCoefficient: 2, maximumInterval: "1 minute" },
} as const satisfies ActivityOptions;

/** What must not be done twice on a guess: after one try the workflow looks whether it was done. */
export const STREAM_ACTIVITY_ONCE = { ...STREAM_ACTIVITY, retry: { maximumAttempts: 1 } } as const satisfies ActivityOptions;
