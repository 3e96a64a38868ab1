import type { WorkflowBundle } from "@temporalio/worker";
import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { createBudgetActivities } from "#activities/budgets/activities.ts";
import type { BudgetStore, GovernanceEvent } from "#activities/budgets/port.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { OpeningBalances } from "#activities/governance/opening-balances.ts";
import type { PublisherObserver, TotalsSink } from "#activities/governance/port.ts";
import { TotalsPublisher } from "#activities/governance/totals-publisher.ts";
import { TotalsSource } from "#activities/governance/totals-source.ts";
import { createIncreaseActivities } from "#activities/increases/activities.ts";
import { createPostgresIncreaseStore } from "#activities/increases/postgres.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import { BUDGET_TASK_QUEUE } from "../workflows/team-budget/messages.ts";
import { bundleApart } from "./bundle.ts";
import { startWorker } from "./shared/start-worker.ts";
import { openTemporalClient } from "./shared/temporal-connection.ts";

export type BudgetRoleOptions = {
	readonly databaseUrl: string;
	readonly temporalAddress: string;
	readonly temporalNamespace: string;
	/** Shared with the other roles of a process; default: one of its own. */
	readonly workflowBundle?: WorkflowBundle;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
};

export type BudgetRole = {
	readonly store: BudgetStore;
	readonly governance: GovernanceClient;
	/** Resolves when the worker polls the task queue "budget". */
	readonly polls: Promise<void>;
	stop(): Promise<void>;
};

/** Opening balances sum a window's attempts; everything else here is far below this. */
const STATEMENT_TIMEOUT_MS = 8_000;

/**
 * Workflow tasks at once: a few. Each waits for the one thread that runs workflows anyway, and what is asked of Temporal beyond that takes from it the time in
 * which totals are told (`npm run check:govern -- --teams 2000`).
 */
const WORKFLOW_SLOTS = { cached: 3, replayed: 2 } as const;

/** The task queue "budget" (team workflows and their activities) and the totals publisher. */
export async function startBudgetRole(options: BudgetRoleOptions): Promise<BudgetRole> {
	const { databaseUrl: url, log } = options;
	const limits = new Connection({ url, applicationName: "tollgate-worker-budgets", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const totals = new Connection({ url, applicationName: "tollgate-worker-totals", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const openings = new Connection({ url, applicationName: "tollgate-worker-openings", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const { connection, client } = openTemporalClient(options);
	const governance = new GovernanceClient({ connection, client });
	const store = createPostgresBudgetStore(limits);
	const now = (): number => performance.now();
	const publisher = new TotalsPublisher({
		source: new TotalsSource(totals),
		openingBalances: new OpeningBalances(openings, now),
		sink: countTold(governance, options.metrics),
		observer: observePublisher(log),
		now,
	});
	const worker = startWorker({
		address: options.temporalAddress,
		namespace: options.temporalNamespace,
		taskQueue: BUDGET_TASK_QUEUE,
		workflowBundle: options.workflowBundle ?? (await bundleApart()),
		workflowSlots: WORKFLOW_SLOTS,
		activities: {
			...createBudgetActivities({ store, observer: { announced: countAnnouncements(options) } }),
			...createIncreaseActivities(createPostgresIncreaseStore(limits)),
		},
		log,
	});
	publisher.start();
	return {
		store,
		governance,
		polls: worker.polls,
		async stop() {
			await publisher.stop();
			await worker.stop();
			await Promise.all([connection.close(), limits.close(), totals.close(), openings.close()]);
		},
	};
}

function countTold(sink: TotalsSink, metrics: Registry): TotalsSink {
	const sent = new Counter({
		name: "tollgate_totals_sent_total",
		help: "Totals that left for a team's workflow, taken or not, at most 50 a second.",
		registers: [metrics],
	});
	const told = new Counter({ name: "tollgate_totals_told_total", help: "Totals that a team's workflow accepted.", registers: [metrics] });
	return {
		async reportTotals(teamId, report) {
			sent.inc();
			await sink.reportTotals(teamId, report);
			told.inc();
		},
	};
}

function countAnnouncements({ log, metrics }: BudgetRoleOptions): (event: GovernanceEvent) => void {
	const counter = new Counter({
		name: "tollgate_threshold_events_total",
		help: "Thresholds of budgets that fired or were withdrawn, each once per window, changes of budgets that PostgreSQL refused, and increases asked for, decided and ended.",
		labelNames: ["event"],
		registers: [metrics],
	});
	return ({ event, teamId, detail }) => {
		counter.inc({ event });
		const level = event === "change.refused" ? "error" : event.endsWith(".fired") ? "warn" : "info";
		log[level]({ event, teamId, ...detail }, `${event} of team ${teamId}`);
	};
}

function observePublisher(log: BudgetRoleOptions["log"]): PublisherObserver {
	return {
		reachabilityChanged(isReachable, err) {
			if (isReachable) log.info("Temporal answers again; totals catch up");
			else log.warn({ err }, "Temporal does not answer; budgets are enforced all the same, totals wait");
		},
		roleChanged(isPublisher, err) {
			if (isPublisher) log.info("this worker publishes the totals");
			else log.warn({ err }, "this worker does not publish the totals at the moment");
		},
		failed(err) {
			log.error({ err }, "publishing totals failed");
		},
	};
}
