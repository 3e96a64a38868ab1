import type { z } from "zod";
import type { environmentSchema } from "./schema.ts";
import { Secret } from "./secret.ts";
import type { SAMPLERS, TELEMETRY_VARIABLES } from "./telemetry-schema.ts";

/** Where and how calls are sent as spans. */
export type TelemetrySettings = Readonly<{
	/** Of its traces, whole. */
	url: string;
	headers: ReadonlyMap<string, Secret>;
	timeoutMs: number;
	compression: "gzip" | "none";
	serviceName: string;
	resourceAttributes: Readonly<Record<string, string>>;
	/** `share`, 0 to 1, of the calls whose caller names no trace, or of all where `parentBased` is false. */
	sampler: Readonly<{ parentBased: boolean; share: number }>;
	/** Null: prompts and answers are not sent. */
	contentBytesMax: number | null;
	queueMax: number;
	batchMax: number;
	delayMs: number;
}>;

type Values = Pick<z.output<typeof environmentSchema>, keyof typeof TELEMETRY_VARIABLES>;

const PROTOCOL = "http/protobuf";
const TRACES_PATH = "/v1/traces";

/** What is set without an endpoint is left alone: it may well be meant for other programs. */
export function readTelemetry(values: Values, mistakes: string[]): TelemetrySettings | null {
	const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracesUrl, OTEL_EXPORTER_OTLP_ENDPOINT: baseUrl } = values;
	const url = tracesUrl ?? (baseUrl && `${baseUrl.replace(/\/+$/, "")}${TRACES_PATH}`);
	if (url === undefined) {
		// Ours alone: whoever sets it believes that content is sent.
		if (values.TOLLGATE_SPAN_CONTENT_KILOBYTES !== undefined)
			mistakes.push("TOLLGATE_SPAN_CONTENT_KILOBYTES: expected OTEL_EXPORTER_OTLP_ENDPOINT beside it; got it alone");
		return null;
	}
	if (isSwitchedOff(values)) return null;
	mistakes.push(...protocolMistakes(values));
	const { "service.name": named, ...resourceAttributes } = readPairs(values.OTEL_RESOURCE_ATTRIBUTES);
	const headers = { ...readPairs(values.OTEL_EXPORTER_OTLP_HEADERS), ...readPairs(values.OTEL_EXPORTER_OTLP_TRACES_HEADERS) };
	return Object.freeze({
		url,
		headers: new Map(Object.entries(headers).map(([name, value]) => [name, new Secret(value)])),
		timeoutMs: values.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT ?? values.OTEL_EXPORTER_OTLP_TIMEOUT ?? 10_000,
		compression: values.OTEL_EXPORTER_OTLP_TRACES_COMPRESSION ?? values.OTEL_EXPORTER_OTLP_COMPRESSION ?? "none",
		serviceName: values.OTEL_SERVICE_NAME ?? named ?? "tollgate",
		resourceAttributes,
		sampler: readSampler(values.OTEL_TRACES_SAMPLER ?? "parentbased_always_on", values.OTEL_TRACES_SAMPLER_ARG ?? 1),
		contentBytesMax: readContentBytes(values),
		queueMax: values.OTEL_BSP_MAX_QUEUE_SIZE ?? 2_048,
		batchMax: Math.min(values.OTEL_BSP_MAX_EXPORT_BATCH_SIZE ?? 64, values.OTEL_BSP_MAX_QUEUE_SIZE ?? 2_048),
		delayMs: values.OTEL_BSP_SCHEDULE_DELAY ?? 1_000,
	});
}

function isSwitchedOff({ OTEL_SDK_DISABLED: disabled, OTEL_TRACES_EXPORTER: exporters }: Values): boolean {
	if (disabled?.toLowerCase() === "true") return true;
	return exporters !== undefined && !exporters.split(",").some((name) => name.trim() === "otlp");
}

/** Of the one that counts: the other may be meant for other programs. */
function protocolMistakes(values: Values): string[] {
	const name = values.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL === undefined ? "OTEL_EXPORTER_OTLP_PROTOCOL" : "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
	const protocol = values[name] ?? PROTOCOL;
	return protocol === PROTOCOL ? [] : [`${name}: expected ${PROTOCOL}, which most receivers take at port 4318; got ${JSON.stringify(protocol)}`];
}

function readContentBytes(values: Values): number | null {
	const isWanted = ["true", "span_only"].includes(values.OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT?.toLowerCase() ?? "false");
	return isWanted ? (values.TOLLGATE_SPAN_CONTENT_KILOBYTES ?? 64) * 1_024 : null;
}

function readSampler(name: (typeof SAMPLERS)[number], share: number): TelemetrySettings["sampler"] {
	const parentBased = name.startsWith("parentbased_");
	if (name.endsWith("always_off")) return { parentBased, share: 0 };
	return { parentBased, share: name.endsWith("traceidratio") ? share : 1 };
}

function readPairs(text: string | undefined): Record<string, string> {
	if (text === undefined) return {};
	return Object.fromEntries(
		text.split(",").map((pair) => {
			const at = pair.indexOf("=");
			return [pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())];
		}),
	);
}
