import type { BatchState, ItemOutcome } from "./batch.ts";

/**
 * An item that was handed in alone, with a deadline. It is an item of a batch from the first moment: of the one that its team, provider and
 * model collect at the time. Its bound is held in that batch's holder; which way it goes is chosen for each item (lane.ts).
 */

/** 24 characters of A-Z a-z 0-9 behind the mark. It is the item's `custom_id`. */
export const DEFERRED_ID_PATTERN = /^deferred_[A-Za-z0-9]{24}$/;

export type Lane = "batch" | "real_time";

/** `collecting`: its batch still takes items; `waiting`: no part carries it; `running`: one does, or its answer is being written. The rest is final. */
export const DEFERRED_STATUSES = ["collecting", "waiting", "running", "succeeded", "failed", "expired", "cancelled"] as const;
export type DeferredStatus = (typeof DEFERRED_STATUSES)[number];

/** A deadline nearer than that is a call to be made in real time by the caller himself; one further off outlives what providers keep. */
export const DEADLINE_MIN_MS = 60_000;
export const DEADLINE_MAX_MS = 7 * 86_400_000;

export type DeferredStanding = {
	readonly batchState: BatchState;
	readonly outcome: ItemOutcome | null;
	/** A part carries it. */
	readonly isCarried: boolean;
	/** Its answer can be read. Of an item that the provider answered nothing of: its error was written. */
	readonly isAnswered: boolean;
};

const FINAL: Readonly<Record<ItemOutcome, DeferredStatus>> = { succeeded: "succeeded", errored: "failed", expired: "expired", cancelled: "cancelled" };

/** Whoever is told of an end can read the answer. */
export function deferredStatus({ batchState, outcome, isCarried, isAnswered }: DeferredStanding): DeferredStatus {
	if (outcome !== null && isAnswered) return FINAL[outcome];
	if (batchState === "collecting") return "collecting";
	return outcome !== null || isCarried ? "running" : "waiting";
}

export type DeadlineReading =
	| { readonly kind: "deadline"; readonly deadlineMs: number }
	/** `too_soon`: it may have been good before. */
	| { readonly kind: "invalid" | "too_soon"; readonly message: string };

const SPAN = /^(\d{1,6})(s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** RFC 3339 with its zone: a time of day without one means another instant to every reader. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** `x-tollgate-deadline`: a span from now (`90s`, `30m`, `6h`, `2d`) or an instant. */
export function readDeadline(text: string, nowMs: number): DeadlineReading {
	const span = SPAN.exec(text);
	const deadlineMs = span === null ? instantOf(text) : nowMs + Number(span[1]) * (UNIT_MS[span[2] ?? ""] ?? Number.NaN);
	if (Number.isNaN(deadlineMs)) return { kind: "invalid", message: "a deadline is a span such as 6h, 30m or 2d, or an instant such as 2026-12-01T09:00:00Z" };
	if (deadlineMs <= nowMs) return { kind: "too_soon", message: "this deadline is past" };
	if (deadlineMs - nowMs < DEADLINE_MIN_MS) return { kind: "too_soon", message: "a deadline is at least a minute away; what is needed sooner is a call" };
	if (deadlineMs - nowMs > DEADLINE_MAX_MS) return { kind: "invalid", message: "a deadline is at most seven days away" };
	return { kind: "deadline", deadlineMs };
}

function instantOf(text: string): number {
	return INSTANT.test(text) ? Date.parse(text) : Number.NaN;
}
