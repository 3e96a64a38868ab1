import type { WorkflowBundle } from "@temporalio/worker";
import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { createAgentRunActivities } from "#activities/agent-runs/activities.ts";
import type { StarterObserver } from "#activities/agent-runs/port.ts";
import { type AskPostgres, alertRuns, createPostgresRunGovernance, createPostgresUntoldRuns } from "#activities/agent-runs/postgres.ts";
import { RunStarter } from "#activities/agent-runs/run-starter.ts";
import { Connection } from "#activities/database/connection.ts";
import { RunGovernanceClient } from "#clients/run-governance-client.ts";
import { AGENT_RUN_TASK_QUEUE } from "../workflows/agent-run/messages.ts";
import { repeat } from "./shared/repeat.ts";
import { startWorker } from "./shared/start-worker.ts";
import { openTemporalClient } from "./shared/temporal-connection.ts";

export type AgentRunsRoleOptions = {
	readonly databaseUrl: string;
	readonly temporalAddress: string;
	readonly temporalNamespace: string;
	/** Shared with the other roles of the process. */
	readonly workflowBundle: WorkflowBundle;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
	/** Messages after which a run's workflow begins a new one; default 500, lower only in tests. */
	readonly messagesPerRun?: number;
};

export type AgentRunsRole = {
	readonly governance: RunGovernanceClient;
	/** Resolves when the worker polls the task queue "agent-runs". */
	readonly polls: Promise<void>;
	stop(): Promise<void>;
};

const STATEMENT_TIMEOUT_MS = 5_000;
const ALERT_EVERY_MS = 500;
/** Most runs are watched by nobody: one that is not cached is replayed when something happens to it. */
const WORKFLOWS_CACHED_MAX = 50;

/**
 * Agent runs for people: the task queue "agent-runs" (workflows of runs and their activities), the starter that tells them, and the alerts of
 * runs, which need no Temporal.
 */
export function startAgentRunsRole(options: AgentRunsRoleOptions): AgentRunsRole {
	const { databaseUrl: url, log, messagesPerRun } = options;
	const deciding = new Connection({ url, applicationName: "tollgate-worker-run-decisions", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const telling = new Connection({ url, applicationName: "tollgate-worker-run-starter", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const alerting = new Connection({ url, applicationName: "tollgate-worker-run-alerts", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const { connection, client } = openTemporalClient(options);
	const governance = new RunGovernanceClient({ connection, client, ...(messagesPerRun !== undefined && { messagesPerRun }) });
	const starter = new RunStarter({
		source: createPostgresUntoldRuns(askOver(telling)),
		sink: governance,
		observer: observe(options),
		now: () => performance.now(),
	});
	const worker = startWorker({
		address: options.temporalAddress,
		namespace: options.temporalNamespace,
		taskQueue: AGENT_RUN_TASK_QUEUE,
		workflowBundle: options.workflowBundle,
		activities: createAgentRunActivities(createPostgresRunGovernance(askOver(deciding))),
		workflowsCachedMax: WORKFLOWS_CACHED_MAX,
		log,
	});
	const stopAlerts = repeat({ name: "alerts of agent runs", everyMs: ALERT_EVERY_MS, work: async () => void (await alertRuns(askOver(alerting))) }, log);
	starter.start();
	return {
		governance,
		polls: worker.polls,
		async stop() {
			await Promise.all([starter.stop(), stopAlerts()]);
			await worker.stop();
			await Promise.all([connection.close(), deciding.close(), telling.close(), alerting.close()]);
		},
	};
}

function askOver(connection: Connection): AskPostgres {
	return (name, text, values) => connection.query(name, text, values);
}

function observe({ log, metrics }: AgentRunsRoleOptions): StarterObserver {
	const told = new Counter({
		name: "tollgate_runs_told_total",
		help: "Agent runs whose workflow was told what PostgreSQL holds, at most 50 a second; started = it had none before, at most 20 a second.",
		labelNames: ["started"],
		registers: [metrics],
	});
	return {
		told: ({ isNew }) => told.inc({ started: String(isNew) }),
		reachabilityChanged(isReachable, err) {
			if (isReachable) log.info("Temporal answers again; workflows of agent runs catch up");
			else log.warn({ err }, "Temporal does not answer; agent runs are held and go on all the same, their workflows wait");
		},
		roleChanged(isStarter, err) {
			if (isStarter) log.info("this worker starts the workflows of agent runs");
			else log.warn({ err }, "this worker does not start the workflows of agent runs at the moment");
		},
		failed(err) {
			log.error({ err }, "telling an agent run to its workflow failed");
		},
	};
}
