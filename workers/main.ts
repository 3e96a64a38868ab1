import { flushCompileCache } from "node:module";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import pg from "pg";
import { type Logger, pino } from "pino";
import { Registry } from "prom-client";
import { bootstrapSystem } from "#activities/administration/bootstrap.ts";
import { Connection } from "#activities/database/connection.ts";
import { OidcProvider } from "#activities/identity/oidc.ts";
import { readCurrentPriceBook } from "#activities/pricebooks/postgres.ts";
import { reachableOrigin } from "#activities/process/origin.ts";
import { SPEND_CONNECTION_OPTIONS } from "#activities/spend/planning.ts";
import { BatchJobClient } from "#clients/batch-job-client.ts";
import { loadSettings, requireDatabaseUrl, requireTemporalAddress, type Settings } from "#config/load.ts";
import { listKeyVariables } from "#config/offered-providers.ts";
import { loadProviderOutline } from "#config/providers.ts";
import { type AdministrationDependencies, createAdministrationApp } from "#gateway/administration/app.ts";
import { OIDC_PATH } from "#gateway/administration/oidc-pages.ts";
import { startAgentRunsRole } from "./agent-runs.ts";
import { startAlerts } from "./alerts.ts";
import { startBatchesApart } from "./batches-apart.ts";
import { startBudgetRole } from "./budget.ts";
import { startChargebackRole } from "./chargeback.ts";
import { startExpectation } from "./expectation.ts";
import { keptBundle } from "./kept-bundle.ts";
import { startOperatorMetrics } from "./operator-metrics.ts";
import { startReportsRole } from "./reports.ts";
import { loadPrices } from "./seed-prices.ts";
import { retryOutages } from "./shared/retry-outages.ts";
import { openTemporalClient } from "./shared/temporal-connection.ts";
import { installTemporalRuntime } from "./shared/temporal-runtime.ts";
import { startUpkeep } from "./upkeep.ts";
import { startVelocity } from "./velocity.ts";

/**
 * The worker's process: team workflows, totals publisher, workflows of agent runs, reports, ledger upkeep, alerts, prices, administration API; and batches,
 * in a process that it starts.
 * Prints one line on stdout when the worker polls and the demo budget is in force; logs go to stderr.
 * Survives PostgreSQL and Temporal being away. SIGTERM or SIGINT stops it.
 */
const ADMINISTRATION_CONNECTIONS = 4;

async function main(): Promise<void> {
	const settings = loadSettings();
	const databaseUrl = requireDatabaseUrl(settings);
	const log = pino({ level: settings.logLevel, base: { process: "worker" } }, pino.destination({ dest: 2, sync: true }));
	installTemporalRuntime(log);
	const metrics = new Registry();
	const stopping = new StopList(log);
	const database = openPool(databaseUrl, log);
	stopping.add(() => database.end());
	const upkeepConnection = new Connection({ url: databaseUrl, applicationName: "tollgate-worker-upkeep", statementTimeoutMs: 10_000 });
	stopping.add(() => upkeepConnection.close());
	stopping.add(startUpkeep(upkeepConnection, { log, metrics }));
	const keptVariables = settings.providersFile === null ? [] : listKeyVariables(settings.providersFile);
	const alerts = startAlerts({ databaseUrl, home: settings.home, keptVariables, runbooksUrl: settings.runbooksUrl, log, metrics });
	stopping.add(() => alerts.stop());
	const expectationConnection = new Connection({ url: databaseUrl, applicationName: "tollgate-worker-expectation", statementTimeoutMs: 10_000 });
	stopping.add(() => expectationConnection.close());
	stopping.add(startExpectation(expectationConnection, log));
	const metricsConnection = new Connection({ url: databaseUrl, applicationName: "tollgate-worker-metrics", statementTimeoutMs: 10_000 });
	stopping.add(() => metricsConnection.close());
	const { metricsSeriesMax: seriesMax, metricsCompat: compat } = settings;
	stopping.add(startOperatorMetrics(metricsConnection, { log, metrics, seriesMax, compat }));
	stopping.add(startVelocity(upkeepConnection, { log, metrics }));
	const workflowBundle = await keptBundle({
		cacheFolder: settings.cache,
		onProblem: (err) => log.warn({ err }, "the workflow code cannot be kept: each start builds it, which takes some four seconds"),
	});
	const governed = {
		databaseUrl,
		temporalAddress: requireTemporalAddress(settings),
		temporalNamespace: settings.temporalNamespace,
		workflowBundle,
		log,
		metrics,
	};
	const budgetRole = await startBudgetRole(governed);
	stopping.add(() => budgetRole.stop());
	const runsRole = startAgentRunsRole(governed);
	stopping.add(() => runsRole.stop());
	const chargebackRole = startChargebackRole(governed);
	stopping.add(() => chargebackRole.stop());
	const providers = settings.providersFile === null ? undefined : loadProviderOutline(settings.providersFile);
	const reportsRole = startReportsRole({ ...governed, reports: settings.reports, providers });
	stopping.add(() => reportsRole.stop());
	const batches = startBatchesApart({ workflowBundle, stopGraceMs: settings.stopGraceMs, log });
	stopping.addPatient(() => batches.stop());
	const temporal = openTemporalClient(governed);
	stopping.add(() => temporal.connection.close());
	await retryOutages("prices", () => loadPrices(database, settings.pricesFile, log), log);
	const served = { database, providers, governor: budgetRole.governance, alertSender: alerts.sender, batchJobs: new BatchJobClient(temporal) };
	const app = createAdministration(settings, { ...served, months: chargebackRole.months, spendSums: reportsRole.spendSums }, log);
	app.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send([await metrics.metrics(), await batches.metrics()].join("\n")));
	stopping.add(() => app.close());
	await app.listen({ host: settings.adminHost, port: settings.adminPort });
	await budgetRole.polls;
	const { home, demoLimitNanoUsd } = settings;
	const made = await retryOutages("bootstrap", () => bootstrapSystem({ database, governor: budgetRole.governance, home, demoLimitNanoUsd }), log);
	process.stdout.write(`${JSON.stringify({ event: "listening", admin: reachableOrigin(settings.adminHost, portOf(app)), ...made })}\n`);
	flushCompileCache();
}

type Served = Pick<AdministrationDependencies, "database" | "governor" | "alertSender" | "batchJobs" | "months" | "spendSums"> & {
	readonly providers: AdministrationDependencies["providers"] | undefined;
};

function createAdministration(settings: Settings, { providers, ...served }: Served, log: Logger): FastifyInstance {
	const { reports, temporalUiUrl, temporalNamespace, home } = settings;
	return createAdministrationApp({
		...oidcOf(settings),
		onSignInRefused: (err) => log.warn({ err }, "somebody whom the identity provider sent was not let in"),
		...served,
		...(providers && { providers }),
		readPrices: () => readCurrentPriceBook(served.database),
		reports,
		temporalUiUrl,
		temporalNamespace,
		home,
		onUnexpectedError: (err, request) => log.error({ err, request }, "the administration API failed to serve a request"),
	});
}

function oidcOf({ oidc, consoleUrl, adminHost, adminPort }: Settings): Pick<AdministrationDependencies, "oidc"> {
	if (oidc === null) return {};
	const redirectUrl = `${consoleUrl ?? reachableOrigin(adminHost, adminPort)}${OIDC_PATH}/callback`;
	return { oidc: { name: oidc.name, provider: new OidcProvider({ ...oidc, clientSecret: oidc.clientSecret.reveal(), redirectUrl }) } };
}

function openPool(connectionString: string, log: Logger): pg.Pool {
	const pool = new pg.Pool({
		connectionString,
		application_name: "tollgate-worker-administration",
		max: ADMINISTRATION_CONNECTIONS,
		connectionTimeoutMillis: 2_000,
		query_timeout: 30_000,
		options: `-c lock_timeout=2000 -c statement_timeout=29000 -c idle_in_transaction_session_timeout=1000 ${SPEND_CONNECTION_OPTIONS}`,
	});
	// An idle connection that PostgreSQL closed; the next query opens another.
	pool.on("error", (err) => log.warn({ err }, "PostgreSQL closed an idle connection"));
	return pool;
}

function portOf(app: FastifyInstance): number {
	return (app.server.address() as AddressInfo).port;
}

/** Stops what was started, last first, once; what takes its time begins to stop before all else. A second signal ends the process at once. */
class StopList {
	private readonly log: Logger;
	private readonly stops: (() => Promise<unknown>)[] = [];
	private readonly patient: (() => Promise<unknown>)[] = [];
	private isStopping = false;

	constructor(log: Logger) {
		this.log = log;
		for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => this.stop());
	}

	add(stop: () => Promise<unknown>): void {
		this.stops.unshift(stop);
	}

	/** Of what needs nothing that was started here. */
	addPatient(stop: () => Promise<unknown>): void {
		this.patient.push(stop);
	}

	private stop(): void {
		if (this.isStopping) process.exit(1);
		this.isStopping = true;
		this.stopAll().then(
			() => process.exit(0),
			(err: unknown) => {
				this.log.error({ err }, "stopping the worker failed");
				process.exit(1);
			},
		);
	}

	private async stopAll(): Promise<void> {
		const inOrder = async (): Promise<void> => {
			for (const stop of this.stops) await stop();
		};
		await Promise.all([...this.patient.map((stop) => stop()), inOrder()]);
	}
}

main().catch((error: unknown) => {
	process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	process.exit(1);
});
