import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { IdempotentCalls } from "#activities/idempotency/idempotent-calls.ts";
import type { IdempotencyStore } from "#activities/idempotency/port.ts";
import { createModelTransport } from "#activities/providers/call-model.ts";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import type { RequestAuthority } from "#activities/request/port.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import { defaultProviderTable, type ProviderTable } from "#config/providers.ts";
import { loadFieldTables } from "#config/request-fields/load.ts";
import { Secret } from "#config/secret.ts";
import type { BatchRoutes } from "#gateway/batches/ports.ts";
import { createGateway, type Gateway, type GatewayOptions } from "#gateway/gateway.ts";
import type { Decisions } from "#gateway/open-decider.ts";
import type { RunRoutes } from "#gateway/routes/runs.ts";
import { DEFAULT_SERVER_LIMITS, type ServerLimits } from "#gateway/server-options.ts";
import { createMemoryIdempotencyStore } from "./memory-idempotency.ts";
import { createScriptedGuard, scriptedSteps } from "./scripted-guard.ts";

export const PROVIDER_KEY_CANARY = "sk-provider-canary-4f1d9c";

export type TestGateway = { readonly url: string; readonly gateway: Gateway; readonly log: string[]; close(): Promise<void> };

export type TestGatewayOptions = {
	readonly authority: RequestAuthority;
	readonly providerUrl: string;
	readonly limits?: Partial<ServerLimits>;
	readonly table?: ProviderTable;
	/** Default: the built-in rules alone. */
	readonly decisions?: Decisions;
	/** Default: a guard that lets every step pass. */
	readonly steps?: GatewayOptions["steps"];
	readonly idempotencyStore?: IdempotencyStore;
	/** Default: a free one. */
	readonly port?: number;
	/** Default: calls are not sent as spans. */
	readonly telemetry?: CallTelemetry;
	/** Default: no routes of agent runs. */
	readonly runs?: RunRoutes;
	/** Default: no routes of files and batches. */
	readonly batches?: BatchRoutes;
	/** Default: Tollgate's own alone. */
	readonly metricsCompat?: "none" | "litellm";
	/** Default 200. */
	readonly finishPatienceMs?: number;
};

/** The default table with both providers at one URL and the canary as their key. */
export function simulatedProviderTable(providerUrl: string): ProviderTable {
	const key = new Secret(PROVIDER_KEY_CANARY);
	return defaultProviderTable({ openaiBaseUrl: `${providerUrl}/v1`, openaiKey: key, anthropicBaseUrl: providerUrl, anthropicKey: key });
}

/** The gateway on a free port of the loopback, over any authority; its log lines are kept. */
export async function startTestGateway(options: TestGatewayOptions): Promise<TestGateway> {
	const log: string[] = [];
	const table = options.table ?? simulatedProviderTable(options.providerUrl);
	const transport = createModelTransport({ keys: createProviderKeys(table.providers), connectTimeoutMs: 2_000 });
	const gateway = createGateway({
		authority: options.authority,
		idempotentCalls: new IdempotentCalls({
			store: options.idempotencyStore ?? createMemoryIdempotencyStore(),
			onError: (error) => log.push(String(error)),
			finishPatienceMs: options.finishPatienceMs ?? 200,
		}),
		steps: options.steps ?? scriptedSteps(createScriptedGuard()),
		catalog: createDeploymentCatalog(table),
		transport,
		...(options.decisions && { decisions: options.decisions }),
		...(options.telemetry && { telemetry: options.telemetry }),
		...(options.runs && { runs: options.runs }),
		...(options.batches && { batches: options.batches }),
		fieldTables: loadFieldTables(),
		log: pino({ level: "info" }, { write: (line: string) => void log.push(line) }),
		limits: { ...DEFAULT_SERVER_LIMITS, ...options.limits },
		pendingLedgerRows: () => 0,
		...(options.metricsCompat && { metricsCompat: options.metricsCompat }),
	});
	await gateway.server.listen({ host: "127.0.0.1", port: options.port ?? 0 });
	const { port } = gateway.server.server.address() as AddressInfo;
	return { url: `http://127.0.0.1:${port}`, gateway, log, close: () => gateway.drain(5_000) };
}
