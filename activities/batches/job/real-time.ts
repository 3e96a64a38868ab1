import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { DeferredStore } from "../deferred-port.ts";
import type { BatchRecord } from "../port.ts";
import type { RealTimeStore } from "../real-time-port.ts";
import type { Turnarounds } from "../turnarounds.ts";
import type { ExpectedCosts } from "./batch-pricing.ts";
import type { RealTimePaces } from "./real-time-pace.ts";

/** What items that may go in real time need, beside what every batch does. */
export type RealTimeDependencies = {
	readonly store: RealTimeStore & Pick<DeferredStore, "holdMore">;
	readonly turnarounds: Turnarounds;
	openCosts(batch: BatchRecord): Promise<ExpectedCosts>;
	/** The whole body of a request. */
	readBody(blobKey: string): Promise<Buffer>;
	/** Never rejects for what the provider, or the way to it, does. */
	call(call: ItemCall): Promise<CallOutcome>;
	/** Shared by all activities of the process. */
	readonly paces: RealTimePaces;
	/** Another name each time: whoever calls for a part is told from all others by it. */
	newCaller(): string;
	/** Aborted when the worker is to end, or the activity is not wanted any more: nothing is sent from then on. */
	stopSignal(): AbortSignal;
	/** Milliseconds since 1970. */
	wallClockMs(): number;
	/** Default `REAL_TIME_TIMES`. */
	readonly times?: Partial<RealTimeTimes>;
};

export type ItemCall = {
	readonly batch: BatchRecord;
	readonly attemptId: string;
	/** With the model that its caller asked for. */
	readonly body: Buffer;
	readonly maxMs: number;
	/** Aborted: the call is cut. */
	readonly signal: AbortSignal;
};

export type CallOutcome =
	/** Whatever its status. `body` as the provider wrote it, but for its key. */
	| { readonly kind: "answered"; readonly httpStatus: number; readonly requestId: string | null; readonly body: string }
	/** It certainly did nothing, and would at another time. `retryAfterMs` null: not said. */
	| { readonly kind: "refused"; readonly retryAfterMs: number | null; readonly why: string }
	/** It may have run, and be billed. */
	| { readonly kind: "unknown"; readonly why: string };

export type RealTimeTimes = {
	/** One activity sends for so long; what is left then goes with the next. */
	readonly workMs: number;
	/** Of one call, to the last byte. */
	readonly callMs: number;
	/** For so long nobody else calls for the part, where nothing is heard of whoever does. */
	readonly claimMs: number;
	/** An answer is kept, and booked, at most so long after it came. */
	readonly keepMs: number;
	/** What is under way when the worker is to end has so long; then it is cut. */
	readonly stopMs: number;
	/** As in lane.ts. */
	readonly realTimeP99Ms: number;
	readonly marginMs: number;
};

/** An item that waits to be called. */
export type Waiting = {
	readonly n: number;
	readonly tryNumber: number;
	/** null: it stands in the file of its caller's batch. */
	readonly bodyBlobKey: string | null;
	readonly deadlineMs: number | null;
	readonly valueNanoUsd: NanoUsd;
};
