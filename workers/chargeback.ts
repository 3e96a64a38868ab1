import { Context } from "@temporalio/activity";
import { type Client, ScheduleOverlapPolicy } from "@temporalio/client";
import type { WorkflowBundle } from "@temporalio/worker";
import type { Logger } from "pino";
import { createChargebackActivities } from "#activities/chargeback/activities.ts";
import { readRules } from "#activities/chargeback/rules.ts";
import { Connection } from "#activities/database/connection.ts";
import { CloseMonthClient } from "#clients/close-month-client.ts";
import { CHARGEBACK_TASK_QUEUE, MONTH_END_SCHEDULE, MONTH_END_WORKFLOW } from "../workflows/close-month/messages.ts";
import { type DesiredSchedule, ensureSchedule } from "./shared/ensure-schedule.ts";
import { orUnreachable } from "./shared/or-unreachable.ts";
import { repeat } from "./shared/repeat.ts";
import { startWorker } from "./shared/start-worker.ts";
import { openTemporalClient } from "./shared/temporal-connection.ts";

export type ChargebackRoleOptions = {
	readonly databaseUrl: string;
	readonly temporalAddress: string;
	readonly temporalNamespace: string;
	/** Shared with the other roles of the process. */
	readonly workflowBundle: WorkflowBundle;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
};

export type ChargebackRole = {
	readonly months: CloseMonthClient;
	/** Resolves when the worker polls the task queue "chargeback". */
	readonly polls: Promise<void>;
	stop(): Promise<void>;
};

/** A batch of teams takes far less; the last look at a month of millions of lines does not. */
const STATEMENT_TIMEOUT_MS = 100_000;
const SCHEDULE_EVERY_MS = 60_000;
/** A schedule that somebody deleted comes back within the hour; one that is paused stays so. */
const SCHEDULE_AGAIN_MS = 3_600_000;
/** A few months wait for people, hardly ever more. */
const WORKFLOWS_CACHED_MAX = 5;
const WORKFLOW_SLOTS = { cached: 1, replayed: 1 } as const;

/** The task queue "chargeback": months are closed by a schedule, which is kept on the calendar of the rules. */
export function startChargebackRole(options: ChargebackRoleOptions): ChargebackRole {
	const { databaseUrl: url, log } = options;
	const stating = new Connection({ url, applicationName: "tollgate-worker-chargeback", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const { connection, client } = openTemporalClient(options);
	const months = new CloseMonthClient({ connection, client });
	const worker = startWorker({
		address: options.temporalAddress,
		namespace: options.temporalNamespace,
		taskQueue: CHARGEBACK_TASK_QUEUE,
		workflowBundle: options.workflowBundle,
		activities: createChargebackActivities({ database: stating.unprepared, heartbeat: () => Context.current().heartbeat() }),
		workflowsCachedMax: WORKFLOWS_CACHED_MAX,
		workflowSlots: WORKFLOW_SLOTS,
		log,
	});
	const stopSchedule = repeat({ name: "schedule of month ends", everyMs: SCHEDULE_EVERY_MS, work: keepSchedule(stating, client) }, log);
	return {
		months,
		polls: worker.polls,
		async stop() {
			await stopSchedule();
			await worker.stop();
			await Promise.all([connection.close(), stating.close()]);
		},
	};
}

/** Closes months at two in the night of the first, in that time zone. One that was missed while Temporal was away is made up for within seven days. */
export function monthEndSchedule(timeZone: string): DesiredSchedule {
	return {
		scheduleId: MONTH_END_SCHEDULE,
		spec: { calendars: [{ dayOfMonth: 1, hour: 2, comment: "closes the month before" }], timezone: timeZone },
		action: { type: "startWorkflow", workflowType: MONTH_END_WORKFLOW, taskQueue: CHARGEBACK_TASK_QUEUE, workflowId: "month-end/schedule", args: [] },
		policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: "7 days" },
	};
}

function keepSchedule(database: Connection, client: Client): () => Promise<void> {
	let kept: { readonly timeZone: string; readonly atMs: number } | undefined;
	return async () => {
		const { timeZone } = (await readRules(database.unprepared)).rules;
		if (kept?.timeZone === timeZone && performance.now() - kept.atMs < SCHEDULE_AGAIN_MS) return;
		await orUnreachable(() => ensureSchedule(client, monthEndSchedule(timeZone)));
		kept = { timeZone, atMs: performance.now() };
	};
}
