import { ActivityCancellationType, type ActivityOptions, proxyActivities } from "@temporalio/workflow";
import type { AgentActivities, ToolActivity } from "./messages.ts";

/**
 * The user's activities, on the workflow's own task queue. None is given up by time: a gateway or a worker that is away for hours
 * is waited for by Temporal, at no worker's cost, and each activity makes sure by itself that trying again does nothing twice.
 */
type RunActivities = Pick<AgentActivities, "registerRun" | "readRun" | "finishRun">;

const RUN_CALL = {
	startToCloseTimeout: "30 seconds",
	retry: { initialInterval: "1 second", backoffCoefficient: 2, maximumInterval: "1 minute" },
} as const satisfies ActivityOptions;

/** An ended agent keeps its answer whether or not the gateway could be told. */
const LAST_CALL = { ...RUN_CALL, scheduleToCloseTimeout: "10 minutes" } as const satisfies ActivityOptions;

export const HEARTBEAT_TIMEOUT_MS = 30_000;
/** Beyond the client's own deadline, so that it is the client that says what became of the call. */
const CLIENT_MARGIN_MS = 30_000;

export function runActivities(heartbeatTimeoutMs: number): RunActivities {
	const { registerRun, readRun } = proxyActivities<RunActivities>({ ...RUN_CALL, heartbeatTimeout: heartbeatTimeoutMs });
	const { finishRun } = proxyActivities<RunActivities>({ ...LAST_CALL, heartbeatTimeout: heartbeatTimeoutMs });
	return { registerRun, readRun, finishRun };
}

export type Patience = { readonly timeoutMs: number; readonly heartbeatTimeoutMs: number; readonly summary: string };

export function modelActivity(patience: Patience): AgentActivities["callModel"] {
	const options = optionsOf({ ...patience, timeoutMs: patience.timeoutMs + CLIENT_MARGIN_MS });
	return proxyActivities<Pick<AgentActivities, "callModel">>(options).callModel;
}

export function toolActivity(name: string, patience: Patience): ToolActivity {
	const { [name]: activity } = proxyActivities<Record<string, ToolActivity>>(optionsOf(patience));
	if (activity === undefined) throw new TypeError(`no activity can have the name ${name}`);
	return activity;
}

function optionsOf({ timeoutMs, heartbeatTimeoutMs, summary }: Patience): ActivityOptions {
	return {
		startToCloseTimeout: timeoutMs,
		heartbeatTimeout: heartbeatTimeoutMs,
		cancellationType: ActivityCancellationType.TRY_CANCEL,
		summary,
		retry: RUN_CALL.retry,
	};
}
