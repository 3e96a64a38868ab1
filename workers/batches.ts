import { randomUUID } from "node:crypto";
import { Context } from "@temporalio/activity";
import type { WorkflowBundle } from "@temporalio/worker";
import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { createNeededBodies } from "#activities/batches/delivery/needed-bodies.ts";
import { createBatchAlerts } from "#activities/batches/job/batch-alerts.ts";
import { createBatchPricing } from "#activities/batches/job/batch-pricing.ts";
import { BatchStarter } from "#activities/batches/job/batch-starter.ts";
import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import { accountOf, createJobLines } from "#activities/batches/job/job-lines.ts";
import type { BatchJobDependencies, BatchStarterObserver } from "#activities/batches/job/job-port.ts";
import { createQuotaAlerts } from "#activities/batches/job/quota-alerts.ts";
import { createItemCalls } from "#activities/batches/job/real-time-call.ts";
import { RealTimePaces } from "#activities/batches/job/real-time-pace.ts";
import { createUntoldBatches } from "#activities/batches/job/untold-batches.ts";
import { openBatchProviders } from "#activities/batches/providers/open-providers.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { readProviderLoad } from "#activities/batches/store/provider-load.ts";
import { createRealTimeStore } from "#activities/batches/store/real-time.ts";
import { createPostgresTurnarounds } from "#activities/batches/store/turnaround.ts";
import type { Turnarounds } from "#activities/batches/turnarounds.ts";
import { createBlobActivities } from "#activities/blobs/activities.ts";
import type { SweepableBlobStore } from "#activities/blobs/blob-store.ts";
import { Connection } from "#activities/database/connection.ts";
import { createModelTransport } from "#activities/providers/call-model.ts";
import type { ModelTransport } from "#activities/providers/port.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import type { ItemTelemetry } from "#activities/telemetry/port.ts";
import { BatchJobClient } from "#clients/batch-job-client.ts";
import type { ProviderSettings } from "#config/providers.ts";
import { CALLS_GRACE_MS } from "#config/worker-process.ts";
import { LANE_MARGIN_MS, REAL_TIME_P99_MS } from "#domain/batching/lane.ts";
import type { BlobRetention } from "#domain/blobs/retention.ts";
import { BATCH_TASK_QUEUE } from "../workflows/batch-job/messages.ts";
import { openCollectors } from "./batch-collectors.ts";
import { repeat } from "./shared/repeat.ts";
import { startWorker } from "./shared/start-worker.ts";
import { openTemporalClient } from "./shared/temporal-connection.ts";

export type BatchesRoleOptions = {
	readonly databaseUrl: string;
	readonly temporalAddress: string;
	readonly temporalNamespace: string;
	/** Shared with the other roles of the process. */
	readonly workflowBundle: WorkflowBundle;
	/** With their keys; those without `batches` run none. */
	readonly providers: readonly ProviderSettings[];
	readonly blobs: SweepableBlobStore;
	/** How long payloads are kept. */
	readonly retention: BlobRetention;
	/** What calls under way have to end in, when the role is to stop; then they are cut, and charged at their bounds. Default 20 s. */
	readonly stopGraceMs?: number;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
	/** Absent: items are not sent as spans. */
	readonly telemetry?: Pick<ItemTelemetry, "answers" | "booked">;
	/** As in BatchJobClient; lower only in tests. */
	readonly pacePermille?: number;
};

export type BatchesRole = {
	readonly jobs: BatchJobClient;
	/** Resolves when the worker polls the task queue "batches". */
	readonly polls: Promise<void>;
	stop(): Promise<void>;
};

const STATEMENT_TIMEOUT_MS = 10_000;
/** From when calls are cut until activities are cancelled: what was cut is kept and booked. */
const CUT_BOOKED_WITHIN_MS = 2_000;
/** A batch waits for hours: one that is not cached is replayed when something happens to it. */
const WORKFLOWS_CACHED_MAX = 50;
const SWEEP_EVERY_MS = 3_600_000;
/** Then it pauses: a store that was never swept is not emptied in one go. */
const SWEPT_MAX = 10_000;

/** Batches: the task queue "batches" (workflows of batches and collectors, and their activities), the starters that begin and tell them, and the end of their payloads. */
export function startBatchesRole(options: BatchesRoleOptions): BatchesRole {
	const { databaseUrl: url, log, pacePermille, stopGraceMs = CALLS_GRACE_MS } = options;
	const stopping = new AbortController();
	const driving = new Connection({ url, applicationName: "tollgate-worker-batches", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const telling = new Connection({ url, applicationName: "tollgate-worker-batch-starter", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
	const { connection, client } = openTemporalClient(options);
	const jobs = new BatchJobClient({ connection, client, ...(pacePermille !== undefined && { pacePermille }) });
	const providers = openBatchProviders(options.providers);
	const transport = createModelTransport({ keys: createProviderKeys(options.providers) });
	const starter = new BatchStarter({
		source: createUntoldBatches(telling, createPostgresBatchStore(telling)),
		teller: jobs,
		observer: observe(options),
		now: () => performance.now(),
	});
	const turnarounds = createPostgresTurnarounds(driving, () => performance.now());
	const collectors = openCollectors({ ...options, driving, telling, connection, client, providers, turnarounds });
	const worker = startWorker({
		address: options.temporalAddress,
		namespace: options.temporalNamespace,
		taskQueue: BATCH_TASK_QUEUE,
		workflowBundle: options.workflowBundle,
		activities: {
			...createBatchJobActivities(
				dependenciesOf(options, { sql: driving, transport, turnarounds, stopping: stopping.signal, stopMs: stopGraceMs }, providers.find),
			),
			...collectors.activities,
		},
		workflowsCachedMax: WORKFLOWS_CACHED_MAX,
		stopGraceMs: stopGraceMs + CUT_BOOKED_WITHIN_MS,
		log,
	});
	starter.start();
	collectors.starter.start();
	const { sweepBlobs } = createBlobActivities({
		store: options.blobs,
		retention: options.retention,
		wallClockMs: Date.now,
		neededBodies: createNeededBodies(driving),
	});
	const stopSweep = repeat({ name: "payloads past their time", everyMs: SWEEP_EVERY_MS, work: async () => void (await sweepBlobs({ most: SWEPT_MAX })) }, log);
	return {
		jobs,
		polls: worker.polls,
		async stop() {
			stopping.abort();
			await Promise.all([worker.stop(), starter.stop(), collectors.starter.stop(), stopSweep()]);
			await Promise.all([connection.close(), driving.close(), telling.close(), providers.close(), transport.close()]);
		},
	};
}

async function wholeOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
	const pieces: Uint8Array[] = [];
	for await (const piece of source) pieces.push(piece);
	return Buffer.concat(pieces);
}

function paced(delayMs: number, pacePermille: number): number {
	return Math.ceil((delayMs * pacePermille) / 1_000);
}

type Parts = {
	readonly sql: Connection;
	readonly transport: ModelTransport;
	readonly turnarounds: Turnarounds;
	readonly stopping: AbortSignal;
	readonly stopMs: number;
};

function dependenciesOf(
	{ blobs, log, providers, pacePermille, telemetry }: BatchesRoleOptions,
	{ sql, transport, turnarounds, stopping, stopMs }: Parts,
	find: (account: string) => ReturnType<BatchJobDependencies["providerOf"]>,
): BatchJobDependencies {
	const pricing = createBatchPricing(sql.unprepared, telemetry?.answers);
	const store = { ...createPostgresBatchStore(sql, telemetry && ((tries) => telemetry.booked(tries))), ...createPostgresDeferredStore(sql) };
	const providerOf: BatchJobDependencies["providerOf"] = (batch) => find(accountOf(batch));
	return {
		store,
		lines: createJobLines({ blobs, store, wallClockMs: Date.now }),
		providerOf,
		readLoad: ({ batch, part }) => readProviderLoad(sql, { batch, part, countsTokens: providerOf(batch)?.limits.enqueuedTokensMax !== undefined }),
		openPricing: pricing.open,
		realTime: {
			store: { ...createRealTimeStore(sql), holdMore: store.holdMore },
			turnarounds,
			openCosts: pricing.openCosts,
			readBody: (key) => wholeOf(blobs.read(key)),
			call: createItemCalls({ transport, providers }),
			paces: new RealTimePaces(),
			newCaller: randomUUID,
			stopSignal: () => AbortSignal.any([stopping, Context.current().cancellationSignal]),
			wallClockMs: Date.now,
			times: {
				stopMs,
				...(pacePermille !== undefined && { realTimeP99Ms: paced(REAL_TIME_P99_MS, pacePermille), marginMs: paced(LANE_MARGIN_MS, pacePermille) }),
			},
		},
		raise: createBatchAlerts(sql),
		tellQuota: createQuotaAlerts(sql),
		heartbeat: () => Context.current().heartbeat(),
		now: () => performance.now(),
		observer: {
			stepFailed: (batchId, err) => log.warn({ err, batchId }, "what became of a batch at its provider is not known; it is looked for"),
			notForgotten: (batchId, err) => log.warn({ err, batchId }, "files of a batch could not be removed at its provider; they end there by themselves"),
			bodiesLeft: (batchId, err) => log.warn({ err, batchId }, "requests that were answered could not be removed; they go when payloads are swept"),
			resultsUnreadable: (batchId, err) => log.error({ err, batchId }, "kept results of a batch cannot be read; items without another result are answered so"),
		},
	};
}

function observe({ log, metrics }: BatchesRoleOptions): BatchStarterObserver {
	const told = new Counter({
		name: "tollgate_batches_told_total",
		help: "Batches whose workflow was begun, or told that it is to end; at most 20 a second.",
		registers: [metrics],
	});
	return {
		told: () => told.inc(),
		reachabilityChanged(isReachable, err) {
			if (isReachable) log.info("Temporal answers again; workflows of batches catch up");
			else log.warn({ err }, "Temporal does not answer; batches hold their money, and providers run what they have");
		},
		roleChanged(isStarter, err) {
			if (isStarter) log.info("this worker starts the workflows of batches");
			else log.warn({ err }, "this worker does not start the workflows of batches at the moment");
		},
		failed(err) {
			log.error({ err }, "telling a batch to its workflow failed");
		},
	};
}
