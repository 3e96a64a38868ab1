import { flushCompileCache } from "node:module";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type Logger, pino } from "pino";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import { crashPoint } from "#activities/process/crash-point.ts";
import { reachableOrigin } from "#activities/process/origin.ts";
import { createModelTransport } from "#activities/providers/call-model.ts";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import { loadSettings, requireDatabaseUrl, type Settings } from "#config/load.ts";
import { readOfferedProviders } from "#config/offered-providers.ts";
import { loadFieldTables } from "#config/request-fields/load.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { openDecider } from "./open-decider.ts";
import { openRequestAuthority } from "./open-request-authority.ts";
import { openTelemetry } from "./open-telemetry.ts";
import { DEFAULT_SERVER_LIMITS } from "./server-options.ts";

/**
 * The gateway as a process. Prints one line on stdout when it listens: `{"event":"listening","url":"http://…"}`;
 * logs go to stderr. SIGTERM or SIGINT drains: new calls get 503, open ones are finished and booked.
 */

/** Below the 9 s after which the supervisor ends a gateway, so that a whole system stops within 15 s. */
const DRAIN_MS = 8_000;
const CONNECTION_BACKLOG = 4_096;
const MEGABYTE = 1024 * 1024;

async function main(): Promise<void> {
	const settings = loadSettings();
	const log = pino({ level: settings.logLevel, base: { gateway: settings.gatewayId } }, pino.destination({ dest: 2, sync: true }));
	const table = readOfferedProviders(settings);
	const catalog = createDeploymentCatalog(table);
	const stopping = createStop(log);
	const opened = await openRequestAuthority({
		databaseUrl: requireDatabaseUrl(settings),
		gatewayId: settings.gatewayId,
		journalFolder: path.join(settings.home, "journal"),
		idempotencyKeyFile: settings.idempotencyKeyFile,
		fsyncMode: settings.journalFsync,
		log,
		crashPoint,
		onAliases: (aliases) => catalog.replaceAliases(aliases),
		onFenced: () => stopping.stop(1),
	});
	const telemetry = await openTelemetry(settings, log);
	const gateway = createGateway({
		authority: opened.authority,
		idempotentCalls: opened.idempotentCalls,
		steps: opened.runs,
		runs: opened.runs,
		batches: { store: opened.batches, deferred: opened.deferred, blobs: await openBlobStore(settings.blobs), wallClockMs: () => Date.now() },
		catalog,
		transport: createModelTransport({ keys: createProviderKeys(table.providers) }),
		decisions: await openDecider(settings, log),
		...(telemetry && { telemetry }),
		fieldTables: loadFieldTables(),
		log,
		limits: { ...DEFAULT_SERVER_LIMITS, ...(settings.heldBodyMegabytes !== null && { heldBodyBytesMax: settings.heldBodyMegabytes * MEGABYTE }) },
		pendingLedgerRows: () => opened.writer.pendingRows,
		ledgerFailingMs: opened.ledgerFailingMs,
		metricsCompat: settings.metricsCompat,
		crashPoint,
	});
	stopping.arm(gateway);
	await listen(gateway, settings);
}

async function listen(gateway: Gateway, settings: Settings): Promise<void> {
	// Several gateways share the port; a single one must notice that somebody else has it.
	const address = { host: settings.gatewayHost, port: settings.gatewayPort, reusePort: settings.gatewayCount > 1, backlog: CONNECTION_BACKLOG };
	await gateway.server.listen(address);
	const { port } = gateway.server.server.address() as AddressInfo;
	process.stdout.write(`${JSON.stringify({ event: "listening", url: reachableOrigin(settings.gatewayHost, port) })}\n`);
	// For the next start; by itself it is written at an orderly end only.
	flushCompileCache();
}

type Stop = { stop(exitCode: number): void; arm(gateway: Gateway): void };

/** One drain, whoever asks first; a second signal ends the process at once. */
function createStop(log: Logger): Stop {
	let gateway: Gateway | undefined;
	let isStopping = false;
	const stop = (exitCode: number): void => {
		if (isStopping || gateway === undefined) process.exit(isStopping ? 1 : exitCode);
		isStopping = true;
		gateway.drain(DRAIN_MS).then(
			() => process.exit(exitCode),
			(error: unknown) => {
				log.error({ err: error }, "the drain failed; the journal keeps what was not flushed");
				process.exit(1);
			},
		);
	};
	process.on("SIGTERM", () => stop(0));
	process.on("SIGINT", () => stop(0));
	return {
		stop,
		arm(armed) {
			gateway = armed;
		},
	};
}

try {
	await main();
} catch (error) {
	process.stderr.write(`gateway: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
	process.exit(1);
}
