import { z } from "zod";

/**
 * Settings of the spans of calls (docs/telemetry.md). The names are OpenTelemetry's own
 * (opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables, …/protocol/exporter), so that what an operator has set for his
 * other services holds here too. Empty is as if it were not set, as that specification has it.
 */

function optional<Schema extends z.ZodType>(schema: Schema) {
	return z.preprocess((value) => (value === "" ? undefined : value), schema.optional());
}

function integer(lowest: number, highest: number) {
	return optional(
		z
			.string()
			.regex(/^\d{1,9}$/)
			.transform(Number)
			.refine((value) => value >= lowest && value <= highest),
	);
}

/** Credentials belong into the headers. */
const endpoint = optional(z.url({ protocol: /^https?$/ }).refine((value) => !/\/\/[^/]*@/.test(value) && !/[?#]/.test(value)));
/** W3C baggage: `name=value,name=value`, values percent-encoded. */
const PAIR = /^\s*[!#$%&'*+.^`|~\w-]+\s*=\s*[\x20-\x7e]*$/;
const pairs = optional(z.string().refine((value) => value.split(",").every((pair) => PAIR.test(pair) && isPercentEncoded(pair))));
const PROTOCOL = optional(z.string());
const TIMEOUT = integer(1, 600_000);
const COMPRESSION = optional(z.enum(["gzip", "none"]));

function isPercentEncoded(text: string): boolean {
	try {
		decodeURIComponent(text);
		return true;
	} catch {
		// URIError: a lone percent sign.
		return false;
	}
}

export const SAMPLERS = ["always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"] as const;

export const TELEMETRY_VARIABLES = {
	OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.describe(
		"http(s) URL of an OpenTelemetry receiver, to which /v1/traces is added, like http://127.0.0.1:4318; calls and items of batches are sent there as spans; default none, no spans are made",
	),
	OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint.describe("http(s) URL of its traces, whole; goes before OTEL_EXPORTER_OTLP_ENDPOINT"),
	OTEL_EXPORTER_OTLP_HEADERS: pairs.describe("headers for the receiver, as name=value,name=value with percent-encoded values; default none"),
	OTEL_EXPORTER_OTLP_TRACES_HEADERS: pairs.describe("headers for its traces, over those of OTEL_EXPORTER_OTLP_HEADERS"),
	OTEL_EXPORTER_OTLP_PROTOCOL: PROTOCOL.describe("how spans are sent: http/protobuf, no other is spoken; default http/protobuf"),
	OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: PROTOCOL.describe("http/protobuf; goes before OTEL_EXPORTER_OTLP_PROTOCOL"),
	OTEL_EXPORTER_OTLP_TIMEOUT: TIMEOUT.describe("longest time for one batch of spans with all its tries, 1 to 600000 ms; default 10000"),
	OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: TIMEOUT.describe("the same, 1 to 600000 ms; goes before OTEL_EXPORTER_OTLP_TIMEOUT"),
	OTEL_EXPORTER_OTLP_COMPRESSION: COMPRESSION.describe("gzip or none; default none"),
	OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: COMPRESSION.describe("gzip or none; goes before OTEL_EXPORTER_OTLP_COMPRESSION"),
	OTEL_SDK_DISABLED: optional(z.string()).describe("true: no spans, whatever else is set; default false"),
	OTEL_TRACES_EXPORTER: optional(z.string()).describe("otlp, or none: no spans; default otlp where an endpoint is named"),
	OTEL_SERVICE_NAME: optional(z.string()).describe("service.name of the spans; default tollgate"),
	OTEL_RESOURCE_ATTRIBUTES: pairs.describe("further attributes of the resource, as name=value,name=value with percent-encoded values; default none"),
	OTEL_TRACES_SAMPLER: optional(z.enum(SAMPLERS)).describe(
		`which calls are sent: ${SAMPLERS.join(", ")}; parentbased_ ones follow the sampled flag of a caller's traceparent; default parentbased_always_on`,
	),
	OTEL_TRACES_SAMPLER_ARG: optional(
		z
			.string()
			.regex(/^(0|1|0?\.\d{1,9}|1\.0+)$/)
			.transform(Number),
	).describe("share of calls for the traceidratio samplers, 0 to 1; default 1"),
	OTEL_BSP_MAX_QUEUE_SIZE: integer(1, 1_000_000).describe(
		"calls, or items of batches, that may wait to be sent as spans, those under way included; 1 to 1000000; further spans are lost and counted; default 2048",
	),
	OTEL_BSP_MAX_EXPORT_BATCH_SIZE: integer(1, 4_096).describe("spans in one message, 1 to 4096; default 64"),
	OTEL_BSP_SCHEDULE_DELAY: integer(1, 60_000).describe("longest time a call waits for others to be sent with it, 1 to 60000 ms; default 1000"),
	OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: optional(
		z.string().refine((value) => ["true", "false", "span_only", "no_content"].includes(value.toLowerCase())),
	).describe("true or span_only: spans hold prompts and answers; false or no_content; default false"),
	TOLLGATE_SPAN_CONTENT_KILOBYTES: integer(1, 1_024).describe("largest prompt, and largest answer, in a span, 1 to 1024; longer ones are cut; default 64"),
};

/** They hold the receiver's credentials. */
export const TELEMETRY_SECRETS = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] as const;
