import { CallTrace } from "./call-trace.ts";
import { describeCall } from "./describe-call.ts";
import type { ArrivedCall, CallTelemetry, TelemetryCounters } from "./port.ts";
import type { SpanQueue } from "./span-queue.ts";

/** Kept of an answer: all of most, and of a long stream its beginning and its end. Many streams may be open at once. */
const WHOLE_BYTES_MAX = 1024 * 1024;
const HEAD_BYTES_MAX = 16 * 1024;
const CONTENT_HEAD_BYTES_MAX = 1024 * 1024;
const TAIL_BYTES_MAX = 64 * 1024;

/** Calls of a gateway as spans: one that is over leaves its trace in the queue. */
export class CallSpans implements CallTelemetry {
	readonly #queue: SpanQueue;
	readonly #traceOptions: ConstructorParameters<typeof CallTrace>[1];

	constructor(queue: SpanQueue, { contentBytesMax }: { readonly contentBytesMax: number | undefined }) {
		this.#queue = queue;
		this.#traceOptions = {
			wholeBytesMax: WHOLE_BYTES_MAX,
			headBytesMax: contentBytesMax === undefined ? HEAD_BYTES_MAX : CONTENT_HEAD_BYTES_MAX,
			tailBytesMax: TAIL_BYTES_MAX,
			nowMs: () => performance.now(),
			wallClockMs: () => Date.now(),
			onEnd: (trace) => this.#take(trace),
		};
	}

	get counters(): TelemetryCounters {
		return this.#queue.counters;
	}

	get waiting(): number {
		return this.#queue.waiting;
	}

	begin(call: ArrivedCall): CallTrace {
		return new CallTrace(call, this.#traceOptions);
	}

	close(deadlineMs: number): Promise<void> {
		return this.#queue.close(deadlineMs);
	}

	#take(trace: CallTrace): void {
		this.#queue.take({
			get keptBytes() {
				return trace.keptBytes;
			},
			letGoOfBodies: () => trace.letGoOfBodies(),
			describe: (options) => describeCall(trace, options),
		});
	}
}
