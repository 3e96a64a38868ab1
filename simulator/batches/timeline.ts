import type { BatchEnd, BatchRecord } from "./records.ts";
import { drawTurnaroundMs } from "./seeded.ts";

/** When what happens to a batch, decided by its record and the clock alone. */

/** Both providers give up on what is unfinished after a day. */
export const WINDOW_MS = 24 * 3_600_000;
export const FINALIZING_MS = 1_000;
const VALIDATION_MS = 2_000;
const CANCEL_MS = 60_000;
/** So many steps are taken at least, so that progress shows. */
const STEPS = 64;

export type RunningBatch = BatchRecord & { readonly startedAtMs: number };

export function turnaroundOf({ plan, ordinal }: Pick<BatchRecord, "plan" | "ordinal">, seed: number): number {
	return plan.turnaroundMs ?? drawTurnaroundMs(seed, ordinal);
}

/** Of an OpenAI batch: when its file has been checked, or when it is cancelled before that. */
export function validatedAtMs({ createdAtMs, plan }: Pick<BatchRecord, "createdAtMs" | "plan">): number {
	return createdAtMs + (plan.validationMs ?? VALIDATION_MS);
}

/** null while nobody asked for it. */
export function cancelledAtMs({ cancelAskedAtMs, plan }: Pick<BatchRecord, "cancelAskedAtMs" | "plan">): number | null {
	return cancelAskedAtMs === null ? null : cancelAskedAtMs + (plan.cancelMs ?? CANCEL_MS);
}

/** Items that have run by then. None begins after a cancellation was asked for, or after the window. */
export function itemsDue(record: RunningBatch, turnaroundMs: number, atMs: number): number {
	const untilMs = Math.min(atMs, record.expiresAtMs, record.cancelAskedAtMs ?? Number.POSITIVE_INFINITY);
	const spentMs = untilMs - record.startedAtMs;
	if (spentMs < 0) return 0;
	return spentMs >= turnaroundMs ? record.total : Math.floor((record.total * spentMs) / turnaroundMs);
}

/** How the batch ends as things stand, and when. */
export function endOf(record: RunningBatch, turnaroundMs: number): { readonly atMs: number; readonly end: BatchEnd } {
	const cancelled = cancelledAtMs(record);
	const workedAtMs = record.startedAtMs + turnaroundMs;
	const isWorkedOff = record.stuck === 0 && (record.cancelAskedAtMs === null || workedAtMs <= record.cancelAskedAtMs);
	const completedAtMs = isWorkedOff ? workedAtMs : Number.POSITIVE_INFINITY;
	if (completedAtMs <= Math.min(record.expiresAtMs, cancelled ?? Number.POSITIVE_INFINITY)) return { atMs: completedAtMs, end: "completed" };
	if (cancelled !== null && cancelled <= record.expiresAtMs) return { atMs: cancelled, end: "cancelled" };
	return { atMs: record.expiresAtMs, end: "expired" };
}

/** When the batch is to be looked at again: with its next item, though no more often than makes sense, or at its end. */
export function nextLookMs(record: RunningBatch, turnaroundMs: number, nowMs: number): number {
	const nextItemMs = record.startedAtMs + Math.ceil(((record.done + 1) * turnaroundMs) / Math.max(1, record.total));
	const stepMs = nowMs + Math.ceil(turnaroundMs / STEPS);
	const { atMs } = endOf(record, turnaroundMs);
	const isStopped = record.done >= record.total || (record.cancelAskedAtMs !== null && nextItemMs > record.cancelAskedAtMs);
	return isStopped ? atMs : Math.min(atMs, Math.max(nextItemMs, stepMs));
}
