import type { CollectorStep } from "./collector-plan.ts";
import { paced } from "./collector-plan.ts";
import type { CollectorFlushReason, CollectorPicture, CollectorState } from "./collector-state.ts";
import { retryDelayMs } from "./job-pace.ts";

/** Items come while a batch that was quiet is about to go: it is looked at again after this. */
const NOT_AS_READ_MS = 1_000;

/** Deadlines do not wait for PostgreSQL. */
const RETRY_MS_MAX = 60_000;

export type CollectorEvent =
	/** Items came, or nothing came for a while. */
	| { readonly kind: "told" }
	/** An operator wants everything to go now. */
	| { readonly kind: "asked"; readonly by: string }
	| { readonly kind: "ending" }
	| { readonly kind: "read"; readonly picture: CollectorPicture; readonly nowMs: number }
	/** `items` null: it was not as it was read, and collects on. */
	| { readonly kind: "flushed"; readonly batchId: string; readonly reason: CollectorFlushReason; readonly items: number | null; readonly nowMs: number }
	/** Nothing is known of what it did. `jitter` from 0 up to 1. */
	| { readonly kind: "failed"; readonly step: CollectorStep; readonly message: string; readonly nowMs: number; readonly jitter: number };

export function reduceCollector(state: CollectorState, event: CollectorEvent): CollectorState {
	switch (event.kind) {
		case "told":
			// Whoever tells it has just read PostgreSQL.
			return { ...state, isStale: true, dueAtMs: state.failures > 0 ? 0 : state.dueAtMs };
		case "asked":
			return { ...state, isStale: true, dueAtMs: 0, askedBy: event.by };
		case "ending":
			return { ...state, isStale: true, dueAtMs: 0, isEnding: true };
		case "read": {
			const { picture, nowMs } = event;
			const read = { ...state, ...CALM, readAtMs: nowMs, skewMs: picture.clockMs - nowMs, isStale: false };
			return withPicture(read, picture, nowMs);
		}
		case "flushed":
			return takeFlush(state, event);
		case "failed": {
			const { nowMs, jitter, message, step } = event;
			const failures = state.failures + 1;
			const dueAtMs = nowMs + paced(Math.min(retryDelayMs(failures, jitter), RETRY_MS_MAX), state);
			return { ...state, failures, dueAtMs, isStale: true, trouble: { atMs: nowMs, step: step.kind, message } };
		}
	}
}

const CALM = { failures: 0, dueAtMs: 0, trouble: null } as const;

function takeFlush(state: CollectorState, { batchId, reason, items, nowMs }: Extract<CollectorEvent, { kind: "flushed" }>): CollectorState {
	if (items === null) return { ...state, isStale: true, failures: 0, dueAtMs: nowMs + paced(NOT_AS_READ_MS, state) };
	const { picture } = state;
	const flushed = {
		...state,
		...CALM,
		flushes: state.flushes + 1,
		flushedItems: state.flushedItems + items,
		lastFlush: { atMs: nowMs, batchId, items, reason },
	};
	return picture === null ? flushed : withPicture(flushed, { ...picture, batches: picture.batches.filter((batch) => batch.batchId !== batchId) }, nowMs);
}

/** What was asked for is done when nothing waits any more. */
function withPicture(state: CollectorState, picture: CollectorPicture, nowMs: number): CollectorState {
	if (picture.batches.length > 0) return { ...state, picture, emptySinceMs: null };
	return { ...state, picture, askedBy: null, emptySinceMs: state.emptySinceMs ?? nowMs };
}

/** One word for lists and filters. */
export function collectorWord({ trouble }: Pick<CollectorState, "trouble">): "collecting" | "waiting" {
	return trouble === null ? "collecting" : "waiting";
}
