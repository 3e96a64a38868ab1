import { type Attributes, type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type TextMapGetter, type Tracer } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { SpanTelemetry, TelemetryCounters, TraceContext } from "./port.ts";

/**
 * The queue between what is shown as spans and their receiver. What is over is left here, and that is all that is done for its span at the
 * time. Spans are built a few at a time, between turns in which calls are served, and sent in batches. What a receiver that is slow or away
 * does not take is bounded, in number and in bytes: beyond it spans are lost, and counted.
 */
export type SpanQueueOptions = {
	/** Makes spans; they come back by `finished`. */
	readonly tracer: Tracer;
	readonly finished: FinishedSpans;
	/** Sends one batch. Resolves when the receiver has it, rejects when it does not take it. */
	send(spans: readonly ReadableSpan[]): Promise<void>;
	/** Undefined: what was said is not sent. */
	readonly contentBytesMax: number | undefined;
	readonly queueMax: number;
	readonly batchMax: number;
	/** Longest time one waits for others to go with it. */
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

/** What will be a span. */
export type PendingSpan = {
	/** Bytes of bodies that wait with it; 0 once they were let go of. */
	readonly keptBytes: number;
	/** Too much waits: the span goes without what bodies say. */
	letGoOfBodies(): void;
	describe(options: DescribeOptions): DescribedSpan;
};

export type DescribeOptions = {
	/** Of each attribute that shows what was said; undefined: none is sent. */
	readonly contentBytesMax: number | undefined;
};

/** Instants are epoch milliseconds. */
export type DescribedSpan = {
	readonly name: string;
	readonly attributes: Attributes;
	readonly events: readonly { readonly name: string; readonly attributes: Attributes; readonly atMs: number }[];
	/** Undefined where it did not fail. */
	readonly errorType: string | undefined;
	/** The caller's; undefined where he names none. */
	readonly parent: TraceContext | undefined;
	readonly startedAtMs: number;
	readonly endedAtMs: number;
};

export class SpanQueue implements SpanTelemetry {
	readonly counters: TelemetryCounters = {
		exported: 0,
		unsampled: 0,
		lost: { queue_full: 0, export_failed: 0, process_ended: 0, not_built: 0 },
		bodiesLetGo: 0,
	};
	readonly #options: SpanQueueOptions;
	#pending: PendingSpan[] = [];
	#waitingBytes = 0;
	#built: ReadableSpan[] = [];
	#unsent = 0;
	#batchesInFlight = 0;
	#timer: NodeJS.Timeout | undefined;
	#isBuilding = false;
	#isFailing = false;
	#isClosed = false;
	#whenIdle: (() => void) | undefined;
	readonly #whenSomeLeft: (() => void)[] = [];

	constructor(options: SpanQueueOptions) {
		this.#options = options;
	}

	get waiting(): number {
		return this.#pending.length + this.#unsent;
	}

	/** The next one is lost. */
	get isFull(): boolean {
		return this.waiting >= this.#options.queueMax;
	}

	/** The receiver did not take the last that it was sent. */
	get isFailing(): boolean {
		return this.#isFailing;
	}

	/** Resolves when the receiver took some, or did not, and after `withinMs` at the latest. */
	async someLeft(withinMs: number): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		const timer = setTimeout(resolve, withinMs);
		this.#whenSomeLeft.push(resolve);
		this.#proceed();
		await promise;
		clearTimeout(timer);
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
		this.counters.lost.process_ended += this.waiting;
		this.#pending = [];
		this.#built = [];
	}

	/** Lost, and counted, where too many wait. */
	take(pending: PendingSpan): void {
		const { batchMax, delayMs } = this.#options;
		if (this.#isClosed || this.isFull) {
			this.counters.lost[this.#isClosed ? "process_ended" : "queue_full"]++;
			return;
		}
		const bytes = pending.keptBytes;
		if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
			pending.letGoOfBodies();
			this.counters.bodiesLetGo++;
		} else this.#waitingBytes += bytes;
		this.#pending.push(pending);
		if (this.#pending.length >= batchMax) this.#proceed();
		else this.#timer ??= setTimeout(() => this.#proceed(), delayMs).unref();
	}

	#proceed(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#isBuilding) return;
		this.#isBuilding = true;
		setImmediate(() => this.#buildSome());
	}

	/** Not while the receiver has all it can take at once: what waits then costs nothing to hold. */
	#buildSome(): void {
		const { batchMax } = this.#options;
		if (this.#batchesInFlight < BATCHES_IN_FLIGHT_MAX) {
			for (const pending of this.#pending.splice(0, Math.min(BUILT_AT_ONCE, batchMax - this.#built.length))) this.#build(pending);
			if (this.#built.length >= batchMax || (this.#pending.length === 0 && this.#built.length > 0)) this.#sendBatch();
			if (this.#pending.length > 0 && this.#batchesInFlight < BATCHES_IN_FLIGHT_MAX) {
				setImmediate(() => this.#buildSome());
				return;
			}
		}
		this.#isBuilding = false;
		if (this.waiting === 0) this.#whenIdle?.();
	}

	#build(pending: PendingSpan): void {
		const { tracer, finished, contentBytesMax } = this.#options;
		this.#waitingBytes = Math.max(0, this.#waitingBytes - pending.keptBytes);
		try {
			startSpan(tracer, pending.describe({ contentBytesMax }));
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
			for (const resolve of this.#whenSomeLeft.splice(0)) resolve();
			if (this.#pending.length > 0) this.#proceed();
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

/** A child of the caller's span where he names one; what is not well-formed is as if it were absent. */
function contextOf(parent: TraceContext | undefined): Context {
	return parent === undefined ? ROOT_CONTEXT : PROPAGATOR.extract(ROOT_CONTEXT, parent, GETTER);
}

function startSpan(tracer: Tracer, { name, attributes, events, errorType, parent, startedAtMs, endedAtMs }: DescribedSpan): void {
	const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime: startedAtMs, attributes }, contextOf(parent));
	for (const event of events) span.addEvent(event.name, event.attributes, event.atMs);
	if (errorType !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: errorType });
	span.end(endedAtMs);
}
