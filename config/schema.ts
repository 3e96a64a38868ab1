import { z } from "zod";
import { BLOB_PURPOSES } from "#domain/blobs/blob-key.ts";
import type { BlobRetention } from "#domain/blobs/retention.ts";
import { isTimeZone } from "#domain/budget/window.ts";
import { parseUsd } from "#domain/money/wire.ts";
import { OIDC_VARIABLES } from "./oidc.ts";
import { TELEMETRY_SECRETS, TELEMETRY_VARIABLES } from "./telemetry-schema.ts";
import { CALLS_GRACE_MS } from "./worker-process.ts";

/**
 * Every deployment setting, by the environment variable it comes from. The description of each says what is expected: it is
 * shown when the value is wrong, and by the table of docs/settings.md. `0` as a port takes a free one.
 *
 * Variables that start with TOLLGATE_TEST_ belong to the tests, TOLLGATE_KEY to clients, and are not settings; TOLLGATE_SIMULATOR_ ones are judged by
 * the simulated provider itself, which imports nothing of ours.
 */

const HIGHEST_DEMO_LIMIT_NANO_USD = 1_000_000_000_000_000n;

function port(defaultPort: number) {
	return integer(0, 65_535, defaultPort);
}

function integer(lowest: number, highest: number, standard: number) {
	return optionalInteger(lowest, highest).default(standard);
}

function optionalInteger(lowest: number, highest: number) {
	return z
		.string()
		.regex(/^\d{1,9}$/)
		.transform(Number)
		.refine((value) => value >= lowest && value <= highest);
}

const text = z.string().min(1).optional();
/** The document, not the server alone: what OPA answers at its root is another rule's decision. */
const documentUrl = z.url({ protocol: /^https?$/ }).refine((value) => !value.endsWith("/") && !/\/\/[^/]*@/.test(value) && /\/\/[^/]+\/[^#]+$/.test(value));
/** Credentials in it would be sent nowhere; a key has a variable of its own. */
const httpUrl = z.url({ protocol: /^https?$/ }).refine((value) => !value.endsWith("/") && !/\/\/[^/]*@/.test(value));
const demoLimit = z
	.string()
	.transform((value): bigint => parseUsd(value) ?? -1n)
	.refine((amount) => amount >= 0n && amount <= HIGHEST_DEMO_LIMIT_NANO_USD)
	.default(250_000_000n);

const KEPT_DAYS = new RegExp(`^\\d{1,4}(,(${BLOB_PURPOSES.join("|")})=\\d{1,4})*$`);
/** A batch may wait a day at its provider and be asked for again: what it needs is not swept from under it. */
const KEPT_DAYS_LOWEST = 3;
const KEPT_DAYS_HIGHEST = 3_650;
const KEPT_DAYS_STANDARD: BlobRetention = { keptDays: 30, keptDaysByPurpose: {} };

/** `30,batches=7`: days, and others by purpose. */
function parseKeptDays(value: string): BlobRetention {
	const [keptDays, ...byPurpose] = value.split(",");
	return {
		keptDays: Number(keptDays),
		keptDaysByPurpose: Object.fromEntries(byPurpose.map((one) => one.split("=")).map(([purpose = "", days]) => [purpose, Number(days)])),
	};
}

/** Bucket, and the prefix with the slash before it. */
export const S3_ADDRESS = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*)\/?$/;
const blobPlace = z
	.string()
	.min(1)
	.refine((value) => S3_ADDRESS.test(value) || !/^[a-z][a-z0-9+.-]*:\/\//i.test(value))
	.optional();
const keptDays = z
	.string()
	.regex(KEPT_DAYS)
	.transform(parseKeptDays)
	.refine((kept) => [kept.keptDays, ...Object.values(kept.keptDaysByPurpose)].every((days) => days >= KEPT_DAYS_LOWEST && days <= KEPT_DAYS_HIGHEST))
	.default(KEPT_DAYS_STANDARD);

const reportTime = z
	.string()
	.regex(/^(0[4-9]|1\d|2[01]):[0-5]\d$/)
	.default("06:00")
	.transform((value) => ({ hour: Number(value.slice(0, 2)), minute: Number(value.slice(3)) }));

export const environmentSchema = z.object({
	TOLLGATE_HOME: text.describe("folder of all data of this system; default .tollgate in the clone"),
	TOLLGATE_CACHE: text.describe("folder of downloaded and built binaries and of compiled code, shared by all systems of a user; default ~/.cache/tollgate"),
	TOLLGATE_GATEWAYS: integer(1, 64, 1).describe("number of gateway processes behind the gateway port, 1 to 64; default 1"),
	TOLLGATE_GATEWAY_HOST: z.string().min(1).default("127.0.0.1").describe("address the gateway listens on; default 127.0.0.1"),
	TOLLGATE_GATEWAY_PORT: port(4000).describe("port of the gateway, 0 to 65535; default 4000"),
	TOLLGATE_HELD_BODY_MEGABYTES: optionalInteger(1, 1_000_000)
		.optional()
		.describe(
			"megabytes of request bodies that a gateway process holds at once; while its open calls hold as much, further ones get 503; 1 to 1000000; default a quarter of its heap limit",
		),
	TOLLGATE_ADMIN_HOST: z.string().min(1).default("127.0.0.1").describe("address the administration API listens on; default 127.0.0.1"),
	TOLLGATE_ADMIN_PORT: port(4001).describe("port of the administration API, 0 to 65535; default 4001"),
	TOLLGATE_POSTGRES_PORT: port(4002).describe("port of the embedded PostgreSQL, 0 to 65535; default 4002"),
	TOLLGATE_TEMPORAL_PORT: port(4003).describe("port of the Temporal server that `npm start` runs, 0 to 65535; default 4003"),
	TOLLGATE_TEMPORAL_UI_PORT: port(4004).describe("port of its web UI, 0 to 65535; default 4004"),
	TOLLGATE_PROVIDER_PORT: port(4005).describe("port of the simulated provider, 0 to 65535; default 4005"),
	TOLLGATE_PROVIDER_CALL_LOG: text.describe("file the simulated provider appends its calls to; default provider-calls.jsonl under the home"),
	TOLLGATE_SIMULATOR_HOST: text.describe("address the simulated provider listens on; default 127.0.0.1"),
	TOLLGATE_SIMULATOR_KEY: text.describe("key every call of the simulated provider must carry, the gateways' included; default none"),
	TOLLGATE_SIMULATOR_LATENCY_MS: text.describe("its time to the first token, 0 or more; default 20"),
	TOLLGATE_SIMULATOR_TOKENS_PER_SECOND: text.describe("its speed of an answer, 0 for no limit; default 2000"),
	TOLLGATE_SIMULATOR_FAULT_RATES: text.describe('its faults, as JSON of shares by fault or status like {"429":0.05}; default none'),
	TOLLGATE_SIMULATOR_SEED: text.describe("seed of its dice, a whole number; default 1"),
	TOLLGATE_SIMULATOR_MAXIMUM_BODY_BYTES: text.describe("its limit of a request body, 1 or more; default 67108864"),
	TOLLGATE_SIMULATED_PROVIDER_URL: httpUrl
		.optional()
		.describe("origin of a simulated provider that stands in for all providers, like http://127.0.0.1:4005; default none"),
	TOLLGATE_DEMO_LIMIT_USD: demoLimit.describe('daily limit of team "demo" in dollars with at most nine decimals, 0 to 1000000; default 0.25'),
	TOLLGATE_GATEWAY_ID: z
		.string()
		.regex(/^[a-z0-9][a-z0-9_]{0,30}$/)
		.default("g1")
		.describe("identity of this gateway process, unique in the system: lower-case letters, digits and _, at most 31; default g1"),
	TOLLGATE_JOURNAL_FSYNC: z
		.enum(["off", "group"])
		.default("off")
		.describe("off or group: whether the journal survives a crash of the machine, not only of the process; default off"),
	TOLLGATE_IDEMPOTENCY_KEY_FILE: text.describe(
		"file with the secret that encrypts the answers stored for Idempotency-Key and makes claimed users opaque, the same for all gateways, made when missing; default idempotency-key under the home",
	),
	TOLLGATE_BLOBS: blobPlace.describe(
		"where payloads of batches lie: a folder that all processes share, or s3://bucket/prefix, with credentials as every AWS SDK finds them; default blobs under the home",
	),
	TOLLGATE_BLOBS_ENDPOINT: httpUrl.optional().describe("http(s) URL without a trailing slash of an S3-compatible server; default Amazon S3"),
	TOLLGATE_BLOBS_REGION: z
		.string()
		.regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
		.optional()
		.describe("region of the bucket; default us-east-1"),
	TOLLGATE_BLOB_KEYS_FILE: text.describe("file with the keys that payloads are encrypted with, by team; default none, payloads are not encrypted"),
	TOLLGATE_BLOBS_KEPT_DAYS: keptDays.describe(
		"days that payloads are kept, 3 to 3650, and after it other days by purpose (files, batches), like 30,batches=7; default 30",
	),
	TOLLGATE_STOP_GRACE_SECONDS: integer(0, 600, CALLS_GRACE_MS / 1_000).describe(
		"seconds that calls of batches under way have to end when their worker gets SIGTERM, 0 to 600; then they are cut, and charged at their bounds; default 20",
	),
	TOLLGATE_TEMPORAL_BINARY: text.describe("path of a temporal command-line binary; default: found, downloaded or built"),
	TOLLGATE_PROVIDERS_FILE: text.describe(
		"file that names all providers and model aliases; default: OpenAI and Anthropic, every priced model under its own name",
	),
	TOLLGATE_PRICES_FILE: text.describe("file with price lines that go over the bundled ones; default none"),
	TOLLGATE_RUNBOOKS_URL: httpUrl
		.optional()
		.describe("http(s) URL without a trailing slash where docs/runbooks/ can be read, for the links in alerts; default none, alerts name the page"),
	TOLLGATE_ALERT_VARIABLES: z
		.string()
		.regex(/^[A-Za-z_]\w*(,[A-Za-z_]\w*)*$/)
		.optional()
		.describe("names of the variables that hold secrets of alert channels, parted by commas, which `npm start` hands to the worker; default none"),
	TOLLGATE_REPORT_TIME_ZONE: z
		.string()
		.refine(isTimeZone)
		.default("UTC")
		.describe("IANA name of the time zone whose days, weeks and months reports are of, and in which they are written, like Europe/Berlin; default UTC"),
	TOLLGATE_REPORT_TIME: reportTime.describe(
		"time of the day at which reports of what is over are written, HH:MM from 04:00 to 21:59: earlier and later ones some clocks skip or have twice; default 06:00",
	),
	TOLLGATE_OPENAI_BASE_URL: httpUrl.optional().describe("http(s) URL without a trailing slash that stands in for https://api.openai.com/v1"),
	TOLLGATE_ANTHROPIC_BASE_URL: httpUrl.optional().describe("http(s) URL without a trailing slash that stands in for https://api.anthropic.com"),
	TOLLGATE_METRICS_SERIES: integer(10, 10_000, 1_000).describe(
		"series that one metric of spend or of budgets may have, 10 to 10000; what does not fit is added up under the label other; default 1000",
	),
	TOLLGATE_METRICS_COMPAT: z
		.enum(["none", "litellm"])
		.default("none")
		.describe("none or litellm: whether gateways and workers show the metrics of LiteLLM's proxy too, under its names; default none"),
	TOLLGATE_LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info").describe("debug, info, warn, error or silent; default info"),
	OPA_URL: documentUrl
		.optional()
		.describe("http(s) URL of the OPA document that decides every call, like http://127.0.0.1:8181/v1/data/tollgate/call; default none is asked"),
	OPA_TOKEN_FILE: text.describe("file that holds the bearer token OPA asks for; default none"),
	OPA_TIMEOUT_MS: optionalInteger(1, 60_000).optional().describe("longest wait for a decision of OPA before the call is refused, 1 to 60000 ms; default 100"),
	OPA_CACHE_MS: optionalInteger(0, 3_600_000)
		.optional()
		.describe("how long a decision of OPA is used again for calls that it could not tell apart, 0 (never) to 3600000 ms; default 5000"),
	OPA_BOUNDS: z
		.enum(["rounded", "exact"])
		.optional()
		.describe("rounded or exact: whether OPA is shown the bounds of a call rounded up to a power of two, so that more calls share a decision; default rounded"),
	...OIDC_VARIABLES,
	...TELEMETRY_VARIABLES,
	DATABASE_URL: z
		.string()
		.regex(/^postgres(ql)?:\/\/[^/]/)
		.optional()
		.describe("postgres:// URL of the database; default: `npm start` runs an embedded PostgreSQL"),
	TEMPORAL_ADDRESS: z
		.string()
		.regex(/^[^\s/:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i)
		.optional()
		.describe("host:port of a Temporal server; default: `npm start` runs one"),
	TEMPORAL_NAMESPACE: z.string().min(1).default("default").describe("Temporal namespace; default default"),
	TEMPORAL_UI_URL: httpUrl.optional().describe("origin of the web UI that belongs to TEMPORAL_ADDRESS, shown to people; default none"),
	OPENAI_API_KEY: text.describe("key of the real OpenAI; with a key of any provider, none is simulated"),
	OPENAI_API_KEY_FILE: text.describe("file that holds the key of the real OpenAI"),
	ANTHROPIC_API_KEY: text.describe("key of the real Anthropic; with a key of any provider, none is simulated"),
	ANTHROPIC_API_KEY_FILE: text.describe("file that holds the key of the real Anthropic"),
});

export type EnvironmentVariable = keyof typeof environmentSchema.shape;

/** Values of these are never printed, not even to say that they are wrong. */
export const SECRET_VARIABLES: ReadonlySet<string> = new Set<EnvironmentVariable>([
	"DATABASE_URL",
	"OPENAI_API_KEY",
	"ANTHROPIC_API_KEY",
	"TOLLGATE_SIMULATOR_KEY",
	"TOLLGATE_OIDC_CLIENT_SECRET",
	...TELEMETRY_SECRETS,
]);

/** One row per variable for documentation: name and what is expected. */
export function describeSettings(): readonly { name: string; expected: string }[] {
	return Object.entries(environmentSchema.shape).map(([name, schema]) => ({ name, expected: schema.description ?? "" }));
}
