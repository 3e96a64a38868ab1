import { Context } from "@temporalio/activity";
import { ScheduleOverlapPolicy } from "@temporalio/client";
import type { WorkflowBundle } from "@temporalio/worker";
import pg from "pg";
import type { Logger } from "pino";
import { Connection } from "#activities/database/connection.ts";
import { createReportActivities } from "#activities/reports/activities.ts";
import { countForReports } from "#activities/reports/count-dear-calls.ts";
import { createSpendActivities } from "#activities/spend/activities.ts";
import { SPEND_CONNECTION_OPTIONS } from "#activities/spend/planning.ts";
import { SpendSumsClient } from "#clients/spend-sums-client.ts";
import { readCheaperModels } from "#config/cheaper-models.ts";
import type { ReportSettings } from "#config/load.ts";
import { DEFAULT_PROVIDER_OUTLINE, type ProviderOutline } from "#config/providers.ts";
import { REPORT_KINDS, type ReportKind } from "#domain/reports/report-period.ts";
import { REPORT_TASK_QUEUE, REPORT_WORKFLOW, type ReportInput, reportScheduleId } from "../workflows/report/messages.ts";
import { SPEND_SUMS_SCHEDULE, SPEND_SUMS_TASK_QUEUE, SPEND_SUMS_WORKFLOW, type SpendSumsInput } from "../workflows/spend-sums/messages.ts";
import { type DesiredSchedule, ensureSchedule } from "./shared/ensure-schedule.ts";
import { orUnreachable } from "./shared/or-unreachable.ts";
import { repeat } from "./shared/repeat.ts";
import { startWorker } from "./shared/start-worker.ts";
import { openTemporalClient } from "./shared/temporal-connection.ts";

export type ReportsRoleOptions = {
	readonly databaseUrl: string;
	readonly temporalAddress: string;
	readonly temporalNamespace: string;
	/** Shared with the other roles of the process. */
	readonly workflowBundle: WorkflowBundle;
	readonly reports: ReportSettings;
	/** Default: those without a providers file. */
	readonly providers?: ProviderOutline | undefined;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
};

export type ReportsRole = {
	/** Resolves when the worker polls the task queue "reports". */
	readonly polls: Promise<void>;
	readonly spendSums: SpendSumsClient;
	stop(): Promise<void>;
};

/** Lanes of the workflow, and the search for the dearest calls. */
const CONNECTIONS = 5;
/** Of the books of a large organisation. */
const STATEMENT_TIMEOUT_MS = 60_000;
const COUNT_EVERY_MS = 30_000;
const ENSURE_EVERY_MS = 5_000;
const CHUNKS_AT_ONCE = 2_000;
/** Of a day with millions of calls. */
const RECOUNT_TIMEOUT_MS = 1_800_000;
/** A few workflows in a day. */
const WORKFLOWS_CACHED_MAX = 10;
/** Temporal may have been away for so long; what is older a person asks for. Runs that are due together wait for each other: none is left out. */
const POLICIES = { overlap: ScheduleOverlapPolicy.BUFFER_ALL, catchupWindow: "7 days" } as const;
const SUMMARIES: Readonly<Record<ReportKind, string>> = { daily: "Reports of yesterday", weekly: "Reports of last week", monthly: "Reviews of last month" };

/** Reports by schedule, and the sums they read: the task queue "reports", the schedules, and the search for the dearest calls, which needs no Temporal. */
export function startReportsRole(options: ReportsRoleOptions): ReportsRole {
	const { reports: settings, log } = options;
	const database = openPool(options.databaseUrl, log);
	const recounting = new Connection({ url: options.databaseUrl, applicationName: "tollgate-worker-recounting", statementTimeoutMs: RECOUNT_TIMEOUT_MS });
	const heartbeat = (): void => Context.current().heartbeat();
	const { connection, client } = openTemporalClient(options);
	const worker = startWorker({
		address: options.temporalAddress,
		namespace: options.temporalNamespace,
		taskQueue: REPORT_TASK_QUEUE,
		workflowBundle: options.workflowBundle,
		activities: {
			...createReportActivities({
				database,
				settings,
				models: { providers: options.providers ?? DEFAULT_PROVIDER_OUTLINE, table: readCheaperModels() },
				workflowId: () => Context.current().info.workflowExecution?.workflowId,
				heartbeat,
				now: Date.now,
			}),
			...createSpendActivities({ database: recounting.unprepared, countSome: () => countForReports(database, CHUNKS_AT_ONCE), heartbeat }),
		},
		workflowsCachedMax: WORKFLOWS_CACHED_MAX,
		log,
	});
	const missing = new Map([...reportSchedules(settings), SPEND_SUMS].map((schedule) => [schedule.scheduleId, schedule]));
	const ensure = async (): Promise<void> => {
		for (const [scheduleId, schedule] of missing) {
			const outcome = await orUnreachable(() => ensureSchedule(client, schedule));
			missing.delete(scheduleId);
			if (outcome !== "unchanged") log.info({ scheduleId, outcome }, "a schedule is as the settings say");
		}
	};
	const stops = [
		repeat({ name: "schedules of reports", everyMs: ENSURE_EVERY_MS, work: ensure }, log),
		repeat({ name: "dearest calls", everyMs: COUNT_EVERY_MS, work: async () => void (await orUnreachable(() => countForReports(database))) }, log),
	];
	return {
		polls: worker.polls,
		spendSums: new SpendSumsClient({ connection, client }),
		async stop() {
			await Promise.all(stops.map((stop) => stop()));
			await worker.stop();
			await Promise.all([connection.close(), database.end(), recounting.close()]);
		},
	};
}

/** What was booked is counted where nobody asked and no worker did; of runs that were missed one is enough. */
export const SPEND_SUMS: DesiredSchedule = {
	scheduleId: SPEND_SUMS_SCHEDULE,
	spec: { calendars: [{ hour: "*", minute: 7, comment: "counts what was booked" }], timezone: "UTC" },
	action: {
		type: "startWorkflow",
		workflowType: SPEND_SUMS_WORKFLOW,
		workflowId: SPEND_SUMS_SCHEDULE,
		taskQueue: SPEND_SUMS_TASK_QUEUE,
		args: [{} satisfies SpendSumsInput],
		staticSummary: "Sums of spend",
	},
	policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: "1 hour" },
};

/** At one time of the day in the zone of the settings: every day, on Mondays, on the first. */
export function reportSchedules({ timeZone, hour, minute }: ReportSettings): readonly DesiredSchedule[] {
	const days = { daily: {}, weekly: { dayOfWeek: "MONDAY" }, monthly: { dayOfMonth: 1 } } as const;
	return REPORT_KINDS.map((kind) => ({
		scheduleId: reportScheduleId(kind),
		spec: { calendars: [{ ...days[kind], hour, minute, comment: `${kind} report` }], timezone: timeZone },
		action: {
			type: "startWorkflow",
			workflowType: REPORT_WORKFLOW,
			workflowId: reportScheduleId(kind),
			taskQueue: REPORT_TASK_QUEUE,
			args: [{ kind } satisfies ReportInput],
			staticSummary: SUMMARIES[kind],
		},
		policies: POLICIES,
	}));
}

function openPool(connectionString: string, log: Pick<Logger, "warn">): pg.Pool {
	const pool = new pg.Pool({
		connectionString,
		application_name: "tollgate-worker-reports",
		max: CONNECTIONS,
		connectionTimeoutMillis: 10_000,
		query_timeout: STATEMENT_TIMEOUT_MS + 500,
		options: `-c lock_timeout=2000 -c statement_timeout=${STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=1000 ${SPEND_CONNECTION_OPTIONS}`,
	});
	// An idle connection that PostgreSQL closed; the next query opens another.
	pool.on("error", (err) => log.warn({ err }, "PostgreSQL closed an idle connection"));
	return pool;
}
