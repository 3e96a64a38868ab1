import { pino } from "pino";
import { Registry } from "prom-client";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import type { ItemTelemetry } from "#activities/telemetry/port.ts";
import { registerSpanMetrics } from "#activities/telemetry/span-metrics.ts";
import { loadSettings, requireDatabaseUrl, requireTemporalAddress } from "#config/load.ts";
import { readOfferedProviders } from "#config/offered-providers.ts";
import type { ProviderSettings } from "#config/providers.ts";
import { type BatchesRole, startBatchesRole } from "./batches.ts";
import type { FromBatches, ToBatches } from "./batches-apart.ts";
import { openItemTelemetry } from "./open-item-telemetry.ts";
import { installTemporalRuntime } from "./shared/temporal-runtime.ts";

/** The process of `startBatchesApart`: batches alone. It does what its parent says, and is gone as soon as the parent is. */
const settings = loadSettings();
const log = pino({ level: settings.logLevel, base: { process: "worker-batches" } }, pino.destination({ dest: 2, sync: true }));
const metrics = new Registry();
const providers = offeredProviders();
/** What waits when the process is to end has so long, as at a gateway. */
const SPANS_LEAVE_MS = 2_000;
let telemetry: ItemTelemetry | undefined;
let role: BatchesRole | undefined;

// A Ctrl-C in a terminal is for the parent: it stops what it started in order.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => undefined);
// Whatever it was doing is done again by the next one, as after a crash.
process.on("disconnect", () => process.exit(1));
process.on("message", (message: ToBatches) => {
	take(message).catch((err: unknown) => {
		log.error({ err }, "the process of batches failed");
		process.exit(1);
	});
});
installTemporalRuntime(log);

async function take(message: ToBatches): Promise<void> {
	switch (message.kind) {
		case "start":
			telemetry = await openItemTelemetry(settings, providers, log);
			registerSpanMetrics(metrics, telemetry);
			role = startBatchesRole({
				databaseUrl: requireDatabaseUrl(settings),
				temporalAddress: requireTemporalAddress(settings),
				temporalNamespace: settings.temporalNamespace,
				workflowBundle: message.workflowBundle,
				blobs: await openBlobStore(settings.blobs),
				retention: settings.blobs.retention,
				stopGraceMs: settings.stopGraceMs,
				providers,
				...(telemetry && { telemetry }),
				log,
				metrics,
			});
			await role.polls;
			tell({ kind: "polls" });
			return;
		case "metrics":
			tell({ kind: "metrics", question: message.question, text: await metrics.metrics() });
			return;
		case "stop":
			await role?.stop();
			await telemetry?.close(SPANS_LEAVE_MS);
			process.exit(0);
	}
}

function tell(message: FromBatches): void {
	process.send?.(message);
}

/** Where a key is missing here, what needs it waits and says so; everything else goes on. */
function offeredProviders(): readonly ProviderSettings[] {
	try {
		return readOfferedProviders(settings).providers;
	} catch (err) {
		log.error({ err }, "the providers cannot be read here; batches wait until they can");
		return [];
	}
}
