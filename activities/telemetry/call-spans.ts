import { type Attributes, type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type TextMapGetter, type Tracer } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import { CallTrace } from "./call-trace.ts";
import { type DescribedCall, describeCall } from "./describe-call.ts";
import type { ArrivedCall, CallTelemetry, TelemetryCounters } from "./port.ts";

/**
 * The queue between calls and the receiver of their spans. A call that is over leaves its trace here, which is all it does for its span.
 * Spans are built a few at a time, between turns in which calls are served, and sent in batches. What a receiver that is slow or away does
 * not take is bounded, in number and in bytes: beyond it spans are lost, and counted.
 */
export type CallSpansOptions = {
	/** Makes spans; they come back by `finished`. */
	readonly tracer: Tracer;
	readonly finished: FinishedSpans;
	/** Sends one batch. Resolves when the receiver has it, rejects when it does not take it. */
	send(spans: readonly ReadableSpan[]): Promise<void>;
	/** Undefined: what was said is not sent. */
	readonly contentBytesMax: number | undefined;
	readonly queueMax: number;
	readonly batchMax: number;
	/** Longest time a trace waits for others to go with it. */
	readonly delayMs: number;
	/** Told when a batch is not taken and none was before it, and when one is taken again. */
	onProblem(error: unknown): void;
	onRecovered(): void;
};

/** Spans built in one turn of the event loop: some tenths of a millisecond. */
const BUILT_AT_ONCE = 8;
/** A receiver that is far takes as many spans as one that is near. */
const BATCHES_IN_FLIGHT_MAX = 8;
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
/** Kept of an answer: all of most, and of a long stream its beginning and its end. Many streams may be open at once. */
const WHOLE_BYTES_MAX = 1024 * 1024;
const HEAD_BYTES_MAX = 16 * 1024;
const CONTENT_HEAD_BYTES_MAX = 1024 * 1024;
const TAIL_BYTES_MAX = 64 * 1024;

export class CallSpans implements CallTelemetry {
	readonly counters: TelemetryCounters = {
		exported: 0,
		unsampled: 0,
		lost: { queue_full: 0, export_failed: 0, gateway_ended: 0, not_built: 0 },
		bodiesLetGo: 0,
	};
	readonly #options: CallSpansOptions;
	readonly #traceOptions: ConstructorParameters<typeof CallTrace>[1];
	#traces: CallTrace[] = [];
	#waitingBytes = 0;
	#built: ReadableSpan[] = [];
	#unsent = 0;
	#batchesInFlight = 0;
	#timer: NodeJS.Timeout | undefined;
	#isBuilding = false;
	#isFailing = false;
	#isClosed = false;
	#whenIdle: (() => void) | undefined;

	constructor(options: CallSpansOptions) {
		this.#options = options;
		this.#traceOptions = {
			wholeBytesMax: WHOLE_BYTES_MAX,
			headBytesMax: options.contentBytesMax === undefined ? HEAD_BYTES_MAX : CONTENT_HEAD_BYTES_MAX,
			tailBytesMax: TAIL_BYTES_MAX,
			nowMs: () => performance.now(),
			wallClockMs: () => Date.now(),
			onEnd: (trace) => this.#take(trace),
		};
	}

	get waiting(): number {
		return this.#traces.length + this.#unsent;
	}

	begin(call: ArrivedCall): CallTrace {
		return new CallTrace(call, this.#traceOptions);
	}

	async close(deadlineMs: number): Promise<void> {
		let timer: NodeJS.Timeout | undefined;
		const idle = new Promise<void>((resolve) => {
			timer = setTimeout(resolve, deadlineMs);
			this.#whenIdle = resolve;
		});
		this.#proceed();
		if (this.waiting > 0) await idle;
		clearTimeout(timer);
		clearTimeout(this.#timer);
		this.#isClosed = true;
		this.counters.lost.gateway_ended += this.waiting;
		this.#traces = [];
		this.#built = [];
	}

	/** The end of a call's work for its span. */
	#take(trace: CallTrace): void {
		const { queueMax, batchMax, delayMs } = this.#options;
		if (this.#isClosed || this.waiting >= queueMax) {
			this.counters.lost[this.#isClosed ? "gateway_ended" : "queue_full"]++;
			return;
		}
		const bytes = trace.keptBytes;
		if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
			trace.letGoOfBodies();
			this.counters.bodiesLetGo++;
		} else this.#waitingBytes += bytes;
		this.#traces.push(trace);
		if (this.#traces.length >= batchMax) this.#proceed();
		else this.#timer ??= setTimeout(() => this.#proceed(), delayMs).unref();
	}

	#proceed(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#isBuilding) return;
		this.#isBuilding = true;
		setImmediate(() => this.#buildSome());
	}

	/** Not while the receiver has all it can take at once: what waits then is traces, which cost nothing to hold. */
	#buildSome(): void {
		const { batchMax } = this.#options;
		if (this.#batchesInFlight < BATCHES_IN_FLIGHT_MAX) {
			for (const trace of this.#traces.splice(0, Math.min(BUILT_AT_ONCE, batchMax - this.#built.length))) this.#build(trace);
			if (this.#built.length >= batchMax || (this.#traces.length === 0 && this.#built.length > 0)) this.#sendBatch();
			if (this.#traces.length > 0 && this.#batchesInFlight < BATCHES_IN_FLIGHT_MAX) {
				setImmediate(() => this.#buildSome());
				return;
			}
		}
		this.#isBuilding = false;
		if (this.waiting === 0) this.#whenIdle?.();
	}

	#build(trace: CallTrace): void {
		const { tracer, finished, contentBytesMax } = this.#options;
		this.#waitingBytes = Math.max(0, this.#waitingBytes - trace.keptBytes);
		try {
			startSpan(tracer, trace, describeCall(trace, { contentBytesMax }));
		} catch (error) {
			// Whatever a provider or a caller sent that we cannot read: the calls go on.
			this.counters.lost.not_built++;
			this.#options.onProblem(error);
			return;
		}
		const span = finished.take();
		if (span === undefined) this.counters.unsampled++;
		else {
			this.#built.push(span);
			this.#unsent++;
		}
	}

	#sendBatch(): void {
		const batch = this.#built;
		this.#built = [];
		this.#batchesInFlight++;
		const ended = (): void => {
			this.#batchesInFlight--;
			this.#unsent -= batch.length;
			if (this.#traces.length > 0) this.#proceed();
			else if (this.waiting === 0) this.#whenIdle?.();
		};
		this.#options
			.send(batch)
			.then(
				() => this.#sent(batch.length),
				(error: unknown) => this.#notSent(batch.length, error),
			)
			.finally(ended);
	}

	#sent(count: number): void {
		// What was given up when the gateway ended is lost already.
		if (this.#isClosed) return;
		this.counters.exported += count;
		if (!this.#isFailing) return;
		this.#isFailing = false;
		this.#options.onRecovered();
	}

	#notSent(count: number, error: unknown): void {
		if (this.#isClosed) return;
		this.counters.lost.export_failed += count;
		if (this.#isFailing) return;
		this.#isFailing = true;
		this.#options.onProblem(error);
	}
}

/** Receives what the tracer made and the sampler kept. */
export class FinishedSpans implements SpanProcessor {
	#span: ReadableSpan | undefined;

	onStart(): void {}

	onEnd(span: ReadableSpan): void {
		this.#span = span;
	}

	/** The newest, once. */
	take(): ReadableSpan | undefined {
		const span = this.#span;
		this.#span = undefined;
		return span;
	}

	forceFlush(): Promise<void> {
		return Promise.resolve();
	}

	shutdown(): Promise<void> {
		return Promise.resolve();
	}
}

const PROPAGATOR = new W3CTraceContextPropagator();
type Carrier = Readonly<Record<string, string | undefined>>;
const GETTER: TextMapGetter<Carrier> = { keys: (carrier) => Object.keys(carrier), get: (carrier, key) => carrier[key] };

/** A child of the caller's span where he names one; a header that is not one is as if it were absent. */
function parentOf({ traceparent, tracestate }: CallTrace["call"]): Context {
	return traceparent === undefined ? ROOT_CONTEXT : PROPAGATOR.extract(ROOT_CONTEXT, { traceparent, tracestate }, GETTER);
}

function startSpan(tracer: Tracer, trace: CallTrace, { name, attributes, events, errorType }: DescribedCall): void {
	const instant = (atMs: number): number => trace.startedAtEpochMs + (atMs - trace.startedAtMs);
	const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime: trace.startedAtEpochMs, attributes }, parentOf(trace.call));
	for (const event of events) span.addEvent(event.name, event.attributes as Attributes, instant(event.atMs));
	if (errorType !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: errorType });
	span.end(instant(trace.endedAtMs));
}
