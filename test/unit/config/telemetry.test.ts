import { expect, test } from "vitest";
import { loadSettings } from "#config/load.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };

function telemetryOf(environment: Record<string, string>) {
	const { telemetry } = loadSettings({ ...ENDPOINT, ...environment });
	if (telemetry === null) throw new Error("switched off");
	return telemetry;
}

test.each([
	{},
	{ OTEL_EXPORTER_OTLP_ENDPOINT: "" },
	{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
	{ ...ENDPOINT, OTEL_SDK_DISABLED: "true" },
	{ ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" },
])("%j sends nothing", (environment) => {
	expect(loadSettings(environment).telemetry).toBeNull();
});

test("an endpoint is enough: what is not set has its default, and content is off", () => {
	expect(telemetryOf({})).toMatchObject({
		url: "http://127.0.0.1:4318/v1/traces",
		timeoutMs: 10_000,
		compression: "none",
		serviceName: "tollgate",
		sampler: { parentBased: true, share: 1 },
		contentBytesMax: null,
		queueMax: 2_048,
		batchMax: 64,
		delayMs: 1_000,
	});
});

test("what is meant for traces goes before what is meant for all", () => {
	const settings = telemetryOf({
		OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://spans.example/in",
		OTEL_EXPORTER_OTLP_HEADERS: "a=1,Authorization=Basic%20cGs6c2s=",
		OTEL_EXPORTER_OTLP_TRACES_HEADERS: "a=2",
		OTEL_EXPORTER_OTLP_TIMEOUT: "5",
		OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "7",
		OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
		OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf",
	});
	expect(settings).toMatchObject({ url: "https://spans.example/in", timeoutMs: 7 });
	expect([...settings.headers].map(([name, value]) => [name, value.reveal()])).toEqual([
		["a", "2"],
		["Authorization", "Basic cGs6c2s="],
	]);
});

test.each([
	["always_on", "0.5", { parentBased: false, share: 1 }],
	["always_off", undefined, { parentBased: false, share: 0 }],
	["traceidratio", "0.25", { parentBased: false, share: 0.25 }],
	["parentbased_always_off", undefined, { parentBased: true, share: 0 }],
	["parentbased_traceidratio", ".5", { parentBased: true, share: 0.5 }],
])("sampler %s with %s", (name, share, sampler) => {
	expect(telemetryOf({ OTEL_TRACES_SAMPLER: name, ...(share !== undefined && { OTEL_TRACES_SAMPLER_ARG: share }) }).sampler).toEqual(sampler);
});

test("content is sent where it is asked for, up to so much", () => {
	const name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
	expect(telemetryOf({ [name]: "TRUE" }).contentBytesMax).toBe(64 * 1_024);
	expect(telemetryOf({ [name]: "span_only", TOLLGATE_SPAN_CONTENT_KILOBYTES: "2" }).contentBytesMax).toBe(2_048);
	expect(telemetryOf({ [name]: "false", TOLLGATE_SPAN_CONTENT_KILOBYTES: "2" }).contentBytesMax).toBeNull();
});

test.each([
	["OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"],
	["OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:secret@127.0.0.1:4318"],
	["OTEL_EXPORTER_OTLP_HEADERS", "no pair"],
	["OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"],
	["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
	["OTEL_EXPORTER_OTLP_TIMEOUT", "0"],
	["OTEL_TRACES_SAMPLER", "sometimes"],
	["OTEL_TRACES_SAMPLER_ARG", "1.5"],
	["OTEL_BSP_MAX_QUEUE_SIZE", "many"],
	["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "perhaps"],
	["TOLLGATE_SPAN_CONTENT_KILOBYTES", "0"],
])("%s=%s is told by its name", (name, value) => {
	expect(() => loadSettings({ ...ENDPOINT, [name]: value })).toThrow(`${name}: expected`);
});

test("headers are never told, and a size of content without a receiver is a mistake", () => {
	expect(() => loadSettings({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: "canary-4711" })).toThrow(/^(?!.*canary-4711).*not shown/s);
	expect(() => loadSettings({ TOLLGATE_SPAN_CONTENT_KILOBYTES: "5" })).toThrow(
		"TOLLGATE_SPAN_CONTENT_KILOBYTES: expected OTEL_EXPORTER_OTLP_ENDPOINT beside it",
	);
});
