import path from "node:path";
import { isSecretOfChannels } from "#config/alert-secrets.ts";
import { GATEWAY_ALLOCATOR } from "#config/gateway-process.ts";
import { listKeyVariables } from "#config/offered-providers.ts";
import { OIDC_VARIABLES } from "#config/oidc.ts";
import { TELEMETRY_VARIABLES } from "#config/telemetry-schema.ts";
import { WORKER_ALLOCATOR } from "#config/worker-process.ts";
import type { Plan } from "./plan.ts";

/**
 * Children get their configuration by environment only, and only what is theirs: provider keys reach those who call
 * providers, gateways and (for batches) workers; database and Temporal addresses as well.
 */

const INHERITED = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|TMP|TEMP|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|SystemRoot)$/;
/** Replaced by what this start decided. */
const OWN = /^(TOLLGATE_|TEMPORAL_|DATABASE_URL$|PG[A-Z]+$|npm_)/;

type Variables = Record<string, string>;

export function inheritedEnvironment(environment: NodeJS.ProcessEnv = process.env): Variables {
	return pick(environment, (name) => INHERITED.test(name));
}

export function providerEnvironment(plan: Plan): Variables {
	const simulated = pick(process.env, (name) => name.startsWith("TOLLGATE_SIMULATOR_"));
	return {
		...inheritedEnvironment(),
		...simulated,
		...compileCache(plan),
		TOLLGATE_PROVIDER_PORT: String(plan.ports.provider),
		TOLLGATE_PROVIDER_CALL_LOG: plan.settings.providerCallLog,
	};
}

export type Addresses = { readonly databaseUrl: string; readonly temporalAddress: string; readonly simulatedProviderUrl: string | null };

export function workerEnvironment(plan: Plan, addresses: Addresses, environment: NodeJS.ProcessEnv = process.env): Variables {
	return {
		...WORKER_ALLOCATOR,
		...given(environment, Object.keys(WORKER_ALLOCATOR)),
		...inheritedEnvironment(environment),
		// By name and no others: whoever holds an admin key decides where a channel sends what the worker has.
		...given(environment, plan.settings.alertVariables.filter(isSecretOfChannels)),
		...shared(plan, addresses),
		...given(environment, BLOB_SETTINGS),
		...pick(environment, (name) => name.startsWith("AWS_")),
		...providersOf(plan, addresses, environment),
		...given(environment, [
			"TOLLGATE_STOP_GRACE_SECONDS",
			"TOLLGATE_DEMO_LIMIT_USD",
			"TOLLGATE_PRICES_FILE",
			"TOLLGATE_RUNBOOKS_URL",
			"TOLLGATE_METRICS_SERIES",
			"TOLLGATE_REPORT_TIME_ZONE",
			"TOLLGATE_REPORT_TIME",
			"TEMPORAL_UI_URL",
			...Object.keys(OIDC_VARIABLES),
			...Object.keys(TELEMETRY_VARIABLES),
		]),
		...(plan.settings.temporalAddress === null && { TEMPORAL_UI_URL: `http://127.0.0.1:${plan.ports.temporalUi}` }),
		TOLLGATE_ADMIN_HOST: plan.settings.adminHost,
		TOLLGATE_ADMIN_PORT: String(plan.ports.admin),
	};
}

export function gatewayEnvironment(plan: Plan, addresses: Addresses, index: number, environment: NodeJS.ProcessEnv = process.env): Variables {
	const simulated: Variables =
		addresses.simulatedProviderUrl === null
			? {}
			: { TOLLGATE_SIMULATED_PROVIDER_URL: addresses.simulatedProviderUrl, ...given(environment, ["TOLLGATE_SIMULATOR_KEY"]) };
	return {
		...GATEWAY_ALLOCATOR,
		// All of it: a file of providers names the variables of its keys itself.
		...pick(environment, (name) => !OWN.test(name)),
		...shared(plan, addresses),
		...given(environment, BLOB_SETTINGS),
		...given(environment, [
			"TOLLGATE_PROVIDERS_FILE",
			"TOLLGATE_PRICES_FILE",
			"TOLLGATE_OPENAI_BASE_URL",
			"TOLLGATE_ANTHROPIC_BASE_URL",
			"TOLLGATE_IDEMPOTENCY_KEY_FILE",
			"TOLLGATE_HELD_BODY_MEGABYTES",
			"TOLLGATE_SPAN_CONTENT_KILOBYTES",
		]),
		TOLLGATE_GATEWAYS: String(plan.gatewayIds.length),
		TOLLGATE_GATEWAY_ID: plan.gatewayIds[index] ?? "",
		TOLLGATE_GATEWAY_HOST: plan.settings.gatewayHost,
		TOLLGATE_GATEWAY_PORT: String(plan.ports.gateway),
		TOLLGATE_JOURNAL_FSYNC: plan.settings.journalFsync,
		...simulated,
	};
}

/** Gateways and workers share one store of payloads; credentials of a bucket are the AWS SDK's own. */
const BLOB_SETTINGS = ["TOLLGATE_BLOBS", "TOLLGATE_BLOBS_ENDPOINT", "TOLLGATE_BLOBS_REGION", "TOLLGATE_BLOB_KEYS_FILE", "TOLLGATE_BLOBS_KEPT_DAYS"];

const KEYS = ["OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE"];

/** What batches are sent with: keys by their names alone, those of a file of providers included. */
function providersOf({ settings }: Plan, { simulatedProviderUrl }: Addresses, environment: NodeJS.ProcessEnv): Variables {
	const inFile = settings.providersFile === null ? [] : listKeyVariables(settings.providersFile);
	const inSettings = ["TOLLGATE_PROVIDERS_FILE", "TOLLGATE_OPENAI_BASE_URL", "TOLLGATE_ANTHROPIC_BASE_URL"];
	if (simulatedProviderUrl === null) return given(environment, [...inSettings, ...KEYS, ...inFile]);
	return { ...given(environment, [...inSettings, "TOLLGATE_SIMULATOR_KEY", ...inFile]), TOLLGATE_SIMULATED_PROVIDER_URL: simulatedProviderUrl };
}

function shared(plan: Plan, addresses: Addresses): Variables {
	return {
		...compileCache(plan),
		TOLLGATE_HOME: plan.settings.home,
		TOLLGATE_LOG_LEVEL: plan.settings.logLevel,
		TOLLGATE_METRICS_COMPAT: plan.settings.metricsCompat,
		DATABASE_URL: addresses.databaseUrl,
		TEMPORAL_ADDRESS: addresses.temporalAddress,
		TEMPORAL_NAMESPACE: plan.settings.temporalNamespace,
	};
}

/** Compiled once per release: a process that finds its code here starts in half the time and never loads the compiler, 30 MB of memory. */
function compileCache({ settings }: Plan): Variables {
	return { NODE_COMPILE_CACHE: path.join(settings.cache, "compiled") };
}

function given(environment: NodeJS.ProcessEnv, names: readonly string[]): Variables {
	return pick(environment, (name) => names.includes(name));
}

function pick(environment: NodeJS.ProcessEnv, isWanted: (name: string) => boolean): Variables {
	return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && isWanted(entry[0])));
}
