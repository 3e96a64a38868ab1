import type { BookedTry } from "#activities/batches/port.ts";
import type { KeyIdentity } from "#activities/request/port.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import type { CallTrace } from "./call-trace.ts";
import type { AnswerReader } from "./item-answer.ts";

/** Contract between the gateway and whoever shows its calls as spans (docs/telemetry.md). */

/** What is known of a call when it arrives. */
export type ArrivedCall = {
	readonly requestId: string;
	readonly key: KeyIdentity;
	readonly endpoint: Endpoint;
	readonly protocol: Protocol;
	readonly body: Buffer;
	/** Undefined: the caller sent none. */
	readonly parent: TraceContext | undefined;
};

/** W3C trace context, as a caller sent it (w3.org/TR/trace-context). */
export type TraceContext = { readonly traceparent: string; readonly tracestate?: string };

/** Why Tollgate itself answered with an error. */
export type CallRefused = {
	readonly code: ErrorCode;
	/** x-tollgate-limit. */
	readonly limit?: string;
	readonly refusal?: { readonly budget: string | null; readonly budgetId?: string; readonly run?: { readonly hold: { readonly guard: string } } };
};

/** Where calls leave as spans. Nothing of it waits, throws or fails a call. */
export type CallTelemetry = SpanTelemetry & {
	/** One span follows, when the trace is ended. */
	begin(call: ArrivedCall): CallTrace;
};

/** Where items of batches leave as spans. Nothing of it throws or fails a batch. */
export type ItemTelemetry = SpanTelemetry & {
	/** Beside a price: what the answer says that a span shows. */
	readonly answers: AnswerReader;
	/** Takes what was booked. Resolves at once, or when a receiver that takes spans had a while to take more of them. */
	booked(tries: readonly BookedTry[]): Promise<void>;
};

export type SpanTelemetry = {
	readonly counters: TelemetryCounters;
	/** Calls, or items, whose span has not left. */
	readonly waiting: number;
	/** Sends what waits, for at most `deadlineMs`; what is left then is counted as lost. */
	close(deadlineMs: number): Promise<void>;
};

/** Why a span was lost: too many waited, the receiver did not take it, the process ended first, or what was kept of the call could not be read. */
export type SpanLoss = "queue_full" | "export_failed" | "process_ended" | "not_built";

export type TelemetryCounters = {
	/** Spans the receiver took. */
	exported: number;
	/** Spans that the sampler left out: the caller's trace is not sampled, or the share of OTEL_TRACES_SAMPLER_ARG. */
	unsampled: number;
	readonly lost: Record<SpanLoss, number>;
	/** Spans without what the bodies say, because too many bytes waited. */
	bodiesLetGo: number;
};
