import { setTimeout as delay } from "node:timers/promises";
import { NativeConnection, Worker, type WorkflowBundle } from "@temporalio/worker";
import type { Logger } from "pino";
import { type WorkflowSlotCounts, WorkflowSlots } from "./workflow-slots.ts";

export type WorkerRole = {
	readonly address: string;
	readonly namespace: string;
	readonly taskQueue: string;
	readonly workflowBundle: WorkflowBundle;
	readonly activities: object;
	/** Default 200. */
	readonly workflowsCachedMax?: number;
	/** Workflow tasks at once; default the SDK's 40. */
	readonly workflowSlots?: WorkflowSlotCounts;
	/** What activities under way have to end in before they are cancelled; default two seconds. */
	readonly stopGraceMs?: number;
	readonly log: Pick<Logger, "info" | "warn">;
};

export type RunningWorker = {
	/** Resolves when the worker polls for the first time. */
	readonly polls: Promise<void>;
	stop(): Promise<void>;
};

/** Each takes about a megabyte and a half; one that is not cached is replayed when something happens to it. */
const WORKFLOWS_CACHED_MAX = 200;
/** A killed worker's cached workflows go to its successor after this; the SDK's 10 s would outlast the deadline of an update. */
const STICKY_TIMEOUT = "2 seconds";
/** As the SDK has them. */
const FIXED = { type: "fixed-size", numSlots: 100 } as const;
const OTHER_SLOTS = { activityTaskSlotSupplier: FIXED, localActivityTaskSlotSupplier: FIXED, nexusTaskSlotSupplier: FIXED };
const STOP_GRACE_MS = 2_000;
/** From then on; after it they are left to themselves. */
const STOP_FORCE_MS = 3_000;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5_000;

/**
 * Keeps a Temporal worker polling for as long as the process lives: Temporal may be away at the start or for any
 * time later. A worker that ended is made anew on a new connection.
 */
export function startWorker(role: WorkerRole): RunningWorker {
	const stopping = new AbortController();
	const polls = Promise.withResolvers<void>();
	const running = keepRunning(role, stopping.signal, polls.resolve);
	return {
		polls: polls.promise,
		async stop() {
			stopping.abort();
			await running;
		},
	};
}

async function keepRunning(role: WorkerRole, stopping: AbortSignal, onPolling: () => void): Promise<void> {
	let retryMs = RETRY_FIRST_MS;
	while (!stopping.aborted) {
		try {
			await runOnce(role, stopping, () => {
				retryMs = RETRY_FIRST_MS;
				onPolling();
			});
		} catch (error) {
			role.log.warn({ err: error, retryMs, taskQueue: role.taskQueue }, "the Temporal worker does not run; it is tried again");
			await delay(retryMs, undefined, { signal: stopping }).catch(() => undefined); // stopping ends the wait
			retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
		}
	}
}

async function runOnce(role: WorkerRole, stopping: AbortSignal, onPolling: () => void): Promise<void> {
	const connection = await NativeConnection.connect({ address: role.address });
	try {
		const worker = await Worker.create({
			connection,
			namespace: role.namespace,
			taskQueue: role.taskQueue,
			workflowBundle: role.workflowBundle,
			activities: role.activities,
			maxCachedWorkflows: role.workflowsCachedMax ?? WORKFLOWS_CACHED_MAX,
			stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
			...(role.workflowSlots && { tuner: { ...OTHER_SLOTS, workflowTaskSlotSupplier: new WorkflowSlots(role.workflowSlots) } }),
			shutdownGraceTime: role.stopGraceMs ?? STOP_GRACE_MS,
			shutdownForceTime: (role.stopGraceMs ?? STOP_GRACE_MS) + STOP_FORCE_MS,
		});
		const stop = (): void => {
			if (worker.getState() === "RUNNING") worker.shutdown();
		};
		stopping.addEventListener("abort", stop);
		try {
			const run = worker.run();
			// One that never ran would hold the connection.
			if (stopping.aborted) stop();
			role.log.info({ taskQueue: role.taskQueue }, "the Temporal worker polls");
			onPolling();
			await run;
		} finally {
			stopping.removeEventListener("abort", stop);
		}
	} finally {
		await connection.close();
	}
}
