import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
	AlwaysOffSampler,
	AlwaysOnSampler,
	ParentBasedSampler,
	type ReadableSpan,
	type Sampler,
	TraceIdRatioBasedSampler,
	TracerProvider,
} from "@opentelemetry/sdk-trace";
import { CallSpans } from "./call-spans.ts";
import { ItemSpans, type ItemSpansOptions } from "./item-spans.ts";
import type { CallTelemetry, ItemTelemetry } from "./port.ts";
import { FinishedSpans, SpanQueue } from "./span-queue.ts";

/** Spans over OTLP, by HTTP with protobuf, as OpenTelemetry's own packages send it. */
export type OtlpOptions = {
	/** Full URL, path included. */
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	/** For one batch, with all its tries. */
	readonly timeoutMs: number;
	readonly compression: "gzip" | "none";
	readonly resource: Readonly<Record<string, string>>;
	readonly sampler: OtlpSampler;
	/** Undefined: prompts and answers are not sent. */
	readonly contentBytesMax: number | undefined;
	readonly queueMax: number;
	readonly batchMax: number;
	readonly delayMs: number;
	/** `problem` holds no header and no body. */
	onProblem(problem: string): void;
	onRecovered(): void;
};

/** `parentBased`: a caller whose trace is sampled, or not, has his calls shown, or not. `share` 0 to 1 of the others. */
export type OtlpSampler = { readonly parentBased: boolean; readonly share: number };

const COMPRESSIONS = { gzip: CompressionAlgorithm.GZIP, none: CompressionAlgorithm.NONE } as const;

export function createOtlpTelemetry(options: OtlpOptions): CallTelemetry {
	return new CallSpans(createQueue(options), options);
}

export function createOtlpItemTelemetry(options: OtlpOptions, { serverOf }: Pick<ItemSpansOptions, "serverOf">): ItemTelemetry {
	return new ItemSpans(createQueue(options), { ...options, serverOf });
}

function createQueue(options: OtlpOptions): SpanQueue {
	const { url, timeoutMs, compression, contentBytesMax, queueMax, batchMax, delayMs } = options;
	const exporter = new OTLPTraceExporter({
		url,
		headers: { ...options.headers },
		timeoutMillis: timeoutMs,
		compression: COMPRESSIONS[compression],
		keepAlive: true,
	});
	const finished = new FinishedSpans();
	const provider = new TracerProvider({
		resource: resourceFromAttributes({ ...options.resource }),
		sampler: samplerOf(options.sampler),
		spanProcessors: [finished],
	});
	return new SpanQueue({
		tracer: provider.getTracer("tollgate"),
		finished,
		send: (spans) => exportBatch(exporter, spans),
		contentBytesMax,
		queueMax,
		batchMax,
		delayMs,
		onProblem: (error) => options.onProblem(describe(error)),
		onRecovered: options.onRecovered,
	});
}

function samplerOf({ parentBased, share }: OtlpSampler): Sampler {
	const root = share >= 1 ? new AlwaysOnSampler() : share <= 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(share);
	return parentBased ? new ParentBasedSampler({ root }) : root;
}

function exportBatch(exporter: OTLPTraceExporter, spans: readonly ReadableSpan[]): Promise<void> {
	return new Promise((resolve, reject) => {
		exporter.export([...spans], ({ code, error }) => {
			if (code === 0) resolve();
			else reject(error ?? new Error("the receiver did not take the spans"));
		});
	});
}

function describe(error: unknown): string {
	if (!(error instanceof Error)) return "the receiver did not take the spans";
	const { code } = error as { readonly code?: unknown };
	return code === undefined || code === "" ? error.message : `${error.message} (${String(code)})`;
}
