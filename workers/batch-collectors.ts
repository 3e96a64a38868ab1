import type { Client, Connection as TemporalConnection } from "@temporalio/client";
import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { type CollectorActivities, createCollectorActivities } from "#activities/batches/collector/collector-activities.ts";
import type { CollectorStarterObserver } from "#activities/batches/collector/collector-port.ts";
import { createCollectingBatches, createCollectorRows } from "#activities/batches/collector/collector-rows.ts";
import { CollectorStarter } from "#activities/batches/collector/collector-starter.ts";
import { accountOf } from "#activities/batches/job/job-lines.ts";
import type { BatchProviders } from "#activities/batches/providers/open-providers.ts";
import type { BatchLimits } from "#activities/batches/providers/provider-port.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { readProviderLoad } from "#activities/batches/store/provider-load.ts";
import type { Turnarounds } from "#activities/batches/turnarounds.ts";
import type { Connection } from "#activities/database/connection.ts";
import { BatchCollectorClient } from "#clients/batch-collector-client.ts";
import { PUBLISHED_BATCH_LIMITS } from "#config/batch-limits.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { LANE_MARGIN_MS, REAL_TIME_P99_MS } from "#domain/batching/lane.ts";

export type CollectorsOptions = {
	/** Of the activities, and of the starter, whose session holds its role. */
	readonly driving: Connection;
	readonly telling: Connection;
	readonly connection: TemporalConnection;
	readonly client: Client;
	readonly providers: Pick<BatchProviders, "find">;
	readonly turnarounds: Turnarounds;
	readonly log: Pick<Logger, "info" | "warn" | "error">;
	readonly metrics: Registry;
	/** As in BatchCollectorClient; lower only in tests. */
	readonly pacePermille?: number | undefined;
};

/** What collects items that were handed in alone, on the worker of batches. */
export function openCollectors(options: CollectorsOptions): { readonly activities: CollectorActivities; readonly starter: CollectorStarter } {
	const { driving, telling, connection, client, providers, turnarounds, pacePermille = 1_000 } = options;
	// What no account runs here goes in real time; it is collected by what is published of its protocol.
	const limitsOf = (scope: CollectorScope): BatchLimits => providers.find(accountOf(scope))?.limits ?? PUBLISHED_BATCH_LIMITS[scope.protocol];
	const activities = createCollectorActivities({
		...{ turnarounds, limitsOf },
		rows: createCollectorRows(driving, createPostgresDeferredStore(driving)),
		read: createPostgresBatchStore(driving).read,
		readLoad: (scope) =>
			readProviderLoad(driving, { batch: { ...scope, batchId: "" }, part: 0, countsTokens: limitsOf(scope).enqueuedTokensMax !== undefined }),
		realTimeP99Ms: Math.ceil((REAL_TIME_P99_MS * pacePermille) / 1_000),
		marginMs: Math.ceil((LANE_MARGIN_MS * pacePermille) / 1_000),
	});
	const starter = new CollectorStarter({
		source: createCollectingBatches(telling, createPostgresDeferredStore(telling)),
		teller: new BatchCollectorClient({ connection, client, pacePermille }),
		observer: observe(options),
		limitsOf,
		now: () => performance.now(),
		pacePermille,
	});
	return { activities, starter };
}

function observe({ log, metrics }: CollectorsOptions): CollectorStarterObserver {
	const told = new Counter({
		name: "tollgate_collectors_told_total",
		help: "Times that the workflow of a collector was begun, or told of items handed in alone; at most 20 a second.",
		registers: [metrics],
	});
	return {
		told: () => told.inc(),
		reachabilityChanged(isReachable, err) {
			if (isReachable) log.info("Temporal answers again; what was collected is sent");
			else log.warn({ err }, "Temporal does not answer; items handed in alone are collected on, and hold their money");
		},
		roleChanged(isStarter, err) {
			if (isStarter) log.info("this worker tells collectors of items handed in alone");
			else log.warn({ err }, "this worker does not tell collectors at the moment");
		},
		failed(err) {
			log.error({ err }, "telling a collector of its items failed");
		},
	};
}
