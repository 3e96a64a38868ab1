import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { z } from "zod";
import { ADMIN_KEY_PREFIX, CHILD_KEY_PREFIX, VIRTUAL_KEY_PREFIX } from "#domain/keys/virtual-key.ts";
import { type BlobSettings, readBlobSettings } from "./blobs.ts";
import { type OidcSettings, readOidc } from "./oidc.ts";
import { ANTHROPIC_BASE_URL, OPENAI_BASE_URL } from "./providers.ts";
import { type EnvironmentVariable, environmentSchema, SECRET_VARIABLES } from "./schema.ts";
import { Secret } from "./secret.ts";
import { readTelemetry, type TelemetrySettings } from "./telemetry.ts";

export type Settings = Readonly<{
	/** Absolute. */
	home: string;
	/** Absolute. */
	cache: string;
	gatewayCount: number;
	gatewayHost: string;
	gatewayPort: number;
	/** Null: what the heap of the process allows. */
	heldBodyMegabytes: number | null;
	adminHost: string;
	adminPort: number;
	postgresPort: number;
	temporalPort: number;
	temporalUiPort: number;
	providerPort: number;
	/** Absolute. */
	providerCallLog: string;
	/** Null: real providers. */
	simulatedProviderUrl: string | null;
	/** Key that the simulated provider asks for. */
	simulatorKey: Secret | null;
	demoLimitNanoUsd: bigint;
	gatewayId: string;
	journalFsync: "off" | "group";
	/** Absolute. */
	idempotencyKeyFile: string;
	blobs: BlobSettings;
	/** Of calls of batches, when their worker is to end. */
	stopGraceMs: number;
	temporalBinary: string | null;
	providersFile: string | null;
	pricesFile: string | null;
	/** Where docs/runbooks/ can be read. */
	runbooksUrl: string | null;
	/** Names of the variables that a started worker is given for its alert channels. */
	alertVariables: readonly string[];
	/** When reports are written, and of whose days. */
	reports: ReportSettings;
	openaiBaseUrl: string;
	anthropicBaseUrl: string;
	/** Series of one metric of spend or budgets. */
	metricsSeriesMax: number;
	metricsCompat: "none" | "litellm";
	logLevel: "debug" | "info" | "warn" | "error" | "silent";
	databaseUrl: Secret | null;
	temporalAddress: string | null;
	temporalNamespace: string;
	temporalUiUrl: string | null;
	openaiApiKey: Secret | null;
	anthropicApiKey: Secret | null;
	/** Origin under which people reach the console; null: that of the administration API. */
	consoleUrl: string | null;
	/** Null: nobody signs in by an identity provider. */
	oidc: OidcSettings | null;
	/** Null: no OPA is asked. */
	opa: OpaSettings | null;
	/** Null: calls are not sent as spans. */
	telemetry: TelemetrySettings | null;
}>;

/** `timeZone`: IANA name. */
export type ReportSettings = Readonly<{ timeZone: string; hour: number; minute: number }>;

/** `bounds`: what OPA is shown of the most a call can cost. */
export type OpaSettings = Readonly<{ url: string; token: Secret | null; timeoutMs: number; cacheMs: number; bounds: "rounded" | "exact" }>;

type Environment = Readonly<Record<string, string | undefined>>;
type Values = z.output<typeof environmentSchema>;

const OUR_KEYS = new RegExp(`^(${VIRTUAL_KEY_PREFIX}|${ADMIN_KEY_PREFIX}|${CHILD_KEY_PREFIX})`);
/** A client's: the shell that starts Tollgate may well be the one that tries it out. */
const CLIENT_KEY_VARIABLE = "TOLLGATE_KEY";
const HEADER_TEXT = /^[\x21-\x7e]+$/;
const CREDENTIALS_OF_URL = /\/\/[^/]*@/;
const PROJECT_FOLDER = path.join(import.meta.dirname, "..");

/** All mistakes of a configuration at once; the message has one line for each. */
export class ConfigurationError extends Error {
	override readonly name = "ConfigurationError";
	readonly mistakes: readonly string[];

	constructor(mistakes: readonly string[]) {
		super(
			`The configuration is wrong in ${mistakes.length === 1 ? "one place" : `${mistakes.length} places`}:\n${mistakes.map((mistake) => `  ${mistake}`).join("\n")}`,
		);
		this.mistakes = mistakes;
	}
}

/**
 * Reads every setting from the environment, once per process. An empty variable counts as not set.
 *
 * @throws ConfigurationError with name, expected and got of every wrong or unknown variable.
 */
export function loadSettings(environment: Environment = process.env): Settings {
	const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
	const parsed = environmentSchema.safeParse(given);
	const mistakes = [...findUnknown(given), ...(parsed.success ? [] : describeIssues(parsed.error, given))];
	if (!parsed.success || mistakes.length > 0) throw new ConfigurationError(mistakes);
	return Object.freeze({ ...toSettings(parsed.data), ...readFiles(parsed.data) });
}

/** The database of a process that cannot work without one. @throws ConfigurationError when it is not set. */
export function requireDatabaseUrl(settings: Settings): string {
	if (settings.databaseUrl === null) throw new ConfigurationError(["DATABASE_URL: expected the postgres:// URL of the database, got nothing"]);
	return settings.databaseUrl.reveal();
}

/** The Temporal server of a process that cannot work without one. @throws ConfigurationError when it is not set. */
export function requireTemporalAddress(settings: Settings): string {
	if (settings.temporalAddress === null) throw new ConfigurationError(["TEMPORAL_ADDRESS: expected host:port of a Temporal server, got nothing"]);
	return settings.temporalAddress;
}

function findUnknown(given: Environment): string[] {
	const known = Object.keys(environmentSchema.shape);
	return Object.keys(given)
		.filter((name) => !known.includes(name) && (isOurs(name) || isMisspeltOpa(name, known)))
		.map((name) => `${name}: there is no such setting${suggest(name, known)}`);
}

function isOurs(name: string): boolean {
	return name.startsWith("TOLLGATE_") && !name.startsWith("TOLLGATE_TEST_") && name !== CLIENT_KEY_VARIABLE;
}

/** OPA itself reads variables of this prefix. One that nearly names a setting of ours would leave every call unasked. */
function isMisspeltOpa(name: string, known: readonly string[]): boolean {
	return name.startsWith("OPA_") && findNearest(name, known) !== undefined;
}

function suggest(name: string, known: readonly string[]): string {
	const nearest = findNearest(name, known);
	return nearest === undefined ? "; docs/settings.md lists all of them" : `; did you mean ${nearest}?`;
}

function findNearest(name: string, known: readonly string[]): string | undefined {
	const letters = (word: string): string => [...word.replace("TOLLGATE_", "")].sort().join("");
	return known.find((candidate) => candidate.startsWith(name) || name.startsWith(candidate) || letters(candidate) === letters(name));
}

function describeIssues(error: z.ZodError, given: Environment): string[] {
	const names = new Set(error.issues.map((issue) => String(issue.path[0])));
	return [...names].map((name) => {
		const expected = environmentSchema.shape[name as EnvironmentVariable].description ?? "";
		const got = SECRET_VARIABLES.has(name) ? "a value that is not shown" : JSON.stringify(given[name]?.replace(CREDENTIALS_OF_URL, "//[redacted]@"));
		return `${name}: expected ${expected}; got ${got}`;
	});
}

function homeOf(values: Values): string {
	return values.TOLLGATE_HOME === undefined ? path.join(PROJECT_FOLDER, ".tollgate") : path.resolve(values.TOLLGATE_HOME);
}

function toSettings(values: Values): Omit<Settings, FromFiles> {
	const home = homeOf(values);
	return {
		home,
		cache: path.resolve(values.TOLLGATE_CACHE ?? path.join(homedir(), ".cache", "tollgate")),
		gatewayCount: values.TOLLGATE_GATEWAYS,
		gatewayHost: values.TOLLGATE_GATEWAY_HOST,
		gatewayPort: values.TOLLGATE_GATEWAY_PORT,
		heldBodyMegabytes: values.TOLLGATE_HELD_BODY_MEGABYTES ?? null,
		adminHost: values.TOLLGATE_ADMIN_HOST,
		adminPort: values.TOLLGATE_ADMIN_PORT,
		postgresPort: values.TOLLGATE_POSTGRES_PORT,
		temporalPort: values.TOLLGATE_TEMPORAL_PORT,
		temporalUiPort: values.TOLLGATE_TEMPORAL_UI_PORT,
		providerPort: values.TOLLGATE_PROVIDER_PORT,
		providerCallLog: path.resolve(values.TOLLGATE_PROVIDER_CALL_LOG ?? path.join(home, "provider-calls.jsonl")),
		simulatedProviderUrl: values.TOLLGATE_SIMULATED_PROVIDER_URL ?? null,
		simulatorKey: values.TOLLGATE_SIMULATOR_KEY === undefined ? null : new Secret(values.TOLLGATE_SIMULATOR_KEY),
		demoLimitNanoUsd: values.TOLLGATE_DEMO_LIMIT_USD,
		gatewayId: values.TOLLGATE_GATEWAY_ID,
		journalFsync: values.TOLLGATE_JOURNAL_FSYNC,
		idempotencyKeyFile: path.resolve(values.TOLLGATE_IDEMPOTENCY_KEY_FILE ?? path.join(home, "idempotency-key")),
		stopGraceMs: values.TOLLGATE_STOP_GRACE_SECONDS * 1_000,
		temporalBinary: values.TOLLGATE_TEMPORAL_BINARY ?? null,
		providersFile: values.TOLLGATE_PROVIDERS_FILE ?? null,
		pricesFile: values.TOLLGATE_PRICES_FILE ?? null,
		runbooksUrl: values.TOLLGATE_RUNBOOKS_URL ?? null,
		alertVariables: values.TOLLGATE_ALERT_VARIABLES?.split(",") ?? [],
		reports: { timeZone: values.TOLLGATE_REPORT_TIME_ZONE, ...values.TOLLGATE_REPORT_TIME },
		openaiBaseUrl: values.TOLLGATE_OPENAI_BASE_URL ?? OPENAI_BASE_URL,
		anthropicBaseUrl: values.TOLLGATE_ANTHROPIC_BASE_URL ?? ANTHROPIC_BASE_URL,
		metricsSeriesMax: values.TOLLGATE_METRICS_SERIES,
		metricsCompat: values.TOLLGATE_METRICS_COMPAT,
		logLevel: values.TOLLGATE_LOG_LEVEL,
		databaseUrl: values.DATABASE_URL === undefined ? null : new Secret(values.DATABASE_URL),
		temporalAddress: values.TEMPORAL_ADDRESS ?? null,
		temporalNamespace: values.TEMPORAL_NAMESPACE,
		temporalUiUrl: values.TEMPORAL_UI_URL ?? null,
		consoleUrl: values.TOLLGATE_CONSOLE_URL ?? null,
	};
}

type FromFiles = "openaiApiKey" | "anthropicApiKey" | "opa" | "blobs" | "telemetry" | "oidc";

function readFiles(values: Values): Pick<Settings, FromFiles> {
	const mistakes: string[] = [];
	const read = {
		openaiApiKey: readKey("OPENAI_API_KEY", values, mistakes),
		anthropicApiKey: readKey("ANTHROPIC_API_KEY", values, mistakes),
		opa: readOpa(values, mistakes),
		blobs: readBlobSettings(values, homeOf(values), mistakes),
		telemetry: readTelemetry(values, mistakes),
		oidc: readOidc(values, (name, file) => readSecret(name, file, mistakes), mistakes),
	};
	if (mistakes.length > 0) throw new ConfigurationError(mistakes);
	return read;
}

function readKey(name: "OPENAI_API_KEY" | "ANTHROPIC_API_KEY", values: Values, mistakes: string[]): Secret | null {
	const [key, file] = [values[name], values[`${name}_FILE`]];
	if (key !== undefined && file !== undefined) mistakes.push(`${name}: expected this or ${name}_FILE; got both`);
	// The shell of somebody who tries the gateway out: as a provider's key it would only be refused, call by call.
	if (key !== undefined && OUR_KEYS.test(key))
		mistakes.push(`${name}: expected the provider's own key; got one of Tollgate's, which belongs to the application`);
	if (file === undefined) return key === undefined ? null : new Secret(key);
	return readSecret(`${name}_FILE`, file, mistakes);
}

function readSecret(name: string, file: string, mistakes: string[]): Secret | null {
	try {
		return new Secret(readFileSync(file, "utf8").trim());
	} catch (error) {
		// Not its name: somebody may have put the key itself there.
		mistakes.push(`${name}: expected a readable file; got ${(error as NodeJS.ErrnoException).code ?? "an error"}`);
		return null;
	}
}

/** What is set for an OPA that is not named would be believed to hold: it is a mistake. */
function readOpa(values: Values, mistakes: string[]): OpaSettings | null {
	const { OPA_URL: url, OPA_TOKEN_FILE: tokenFile, OPA_TIMEOUT_MS: timeoutMs = 100, OPA_CACHE_MS: cacheMs = 5_000, OPA_BOUNDS: bounds = "rounded" } = values;
	if (url === undefined) {
		const names = (["OPA_TOKEN_FILE", "OPA_TIMEOUT_MS", "OPA_CACHE_MS", "OPA_BOUNDS"] as const).filter((name) => values[name] !== undefined);
		mistakes.push(...names.map((name) => `${name}: expected OPA_URL beside it; got it alone`));
		return null;
	}
	const token = tokenFile === undefined ? null : readSecret("OPA_TOKEN_FILE", tokenFile, mistakes);
	if (token !== null && !HEADER_TEXT.test(token.reveal())) mistakes.push("OPA_TOKEN_FILE: expected a token of visible ASCII characters; got something else");
	return Object.freeze({ url, token, timeoutMs, cacheMs, bounds });
}
