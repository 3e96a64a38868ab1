import { alarmsOf, COLLECT_AGE_MS, type CollectorConditions, type CollectorTally, decideFlush, QUIET_MIN_MS } from "./collect.ts";
import type { CollectingBatch, CollectorFlushReason, CollectorPicture, CollectorState } from "./collector-state.ts";
import { hedgeAtMs } from "./hedge.ts";
import { LINE_OVERHEAD_BYTES } from "./split-parts.ts";

/**
 * What a collector does next: a pure function of what waits, of the provider's room and turnaround, and of the time. When collect.ts says so it
 * sends what it has, as a whole: a batch that does not fit the provider is split by its job. Items that no batch could bring in time are kept until
 * a call in real time has to begin, and go with the others before that.
 *
 * That nothing came for a while, it is told (collector-tell.ts): a timer of its own would end every half minute while items come, each time for nothing.
 */

/** From one flush of a collector to the next, unless a batch is full: a job is begun for each. */
export const FLUSH_GAP_MS = 5_000;
/** Then it ends. The next item begins it again. */
export const EMPTY_FOR_MS = 86_400_000;
/** Until the provider may have room again. */
const LOOK_AGAIN_MS = 60_000;
/** What was read longer ago is read again before it is acted upon. */
const FRESH_MS = 10_000;
/** What the provider takes at once, or its own limits would be passed soon. */
const FULL: ReadonlySet<CollectorFlushReason> = new Set(["count", "bytes", "embedding_inputs"]);

export type CollectorStep =
	| { readonly kind: "read" }
	/** `version` null: more items change nothing about it. */
	| { readonly kind: "flush"; readonly batchId: string; readonly version: string | null; readonly reason: CollectorFlushReason };

export type CollectorMove = CollectorStep | { readonly kind: "wait"; readonly untilMs: number } | { readonly kind: "done" };

/** `look`: it would go, and the provider has no room; it is asked again then. */
export type PlannedFlush = { readonly batch: CollectingBatch; readonly atMs: number } & (
	| { readonly kind: "flush"; readonly reason: CollectorFlushReason }
	| { readonly kind: "look"; readonly reason: "no_batches_left" | "no_tokens_left" }
);

export function nextCollectorMove(state: CollectorState, nowMs: number): CollectorMove {
	if (nowMs < state.dueAtMs) return { kind: "wait", untilMs: state.dueAtMs };
	if (state.picture === null || state.isStale) return { kind: "read" };
	const planned = planFlushes(state, nowMs);
	const due = planned.find(({ atMs }) => atMs <= nowMs);
	if (due !== undefined) return due.kind === "flush" && isFresh(state, nowMs) ? flushOf(due.batch, due.reason) : { kind: "read" };
	if (planned.length > 0) return { kind: "wait", untilMs: Math.min(...planned.map(({ atMs }) => atMs)) };
	const endsAtMs = state.isEnding ? nowMs : (state.emptySinceMs ?? nowMs) + paced(EMPTY_FOR_MS, state);
	if (nowMs < endsAtMs) return { kind: "wait", untilMs: endsAtMs };
	return isFresh(state, nowMs) ? { kind: "done" } : { kind: "read" };
}

/** Of each batch that collects, when it goes and why; by the clock of `nowMs`, oldest batch first. */
export function planFlushes(state: CollectorState, nowMs: number): readonly PlannedFlush[] {
	const { picture } = state;
	return picture === null ? [] : picture.batches.map((batch) => planFlush(batch, picture, state, nowMs));
}

function planFlush(batch: CollectingBatch, picture: CollectorPicture, state: CollectorState, nowMs: number): PlannedFlush {
	const { skewMs, lastFlush } = state;
	if (state.isEnding) return { batch, kind: "flush", reason: "ending", atMs: nowMs };
	if (state.askedBy !== null) return { batch, kind: "flush", reason: "asked", atMs: nowMs };
	const soonestMs = lastFlush === null ? 0 : lastFlush.atMs + paced(FLUSH_GAP_MS, state);
	const { earliestDeadlineMs } = batch.tally;
	const realTimeAtMs = earliestDeadlineMs === null ? Number.POSITIVE_INFINITY : hedgeAtMs(earliestDeadlineMs, picture) - skewMs;
	if (nowMs >= realTimeAtMs) return { batch, kind: "flush", reason: "real_time", atMs: Math.max(nowMs, soonestMs) };

	const inBatch: CollectorTally = { ...batch.tally, earliestDeadlineMs: batch.reachableDeadlineMs };
	const conditions = conditionsOf(picture, state, nowMs);
	const decision = decideFlush(inBatch, conditions);
	const lookAtMs = Math.min(Math.max(state.readAtMs + paced(LOOK_AGAIN_MS, state), soonestMs), realTimeAtMs);
	if (decision.kind === "flush") {
		const { reason } = decision;
		if (FULL.has(reason)) return { batch, kind: "flush", reason, atMs: nowMs };
		// Its job would have to wait for what is there already: it collects on meanwhile.
		if (picture.enqueuedTokens > 0 && batch.tally.inputTokens > decision.inputTokensMax)
			return { batch, kind: "look", reason: "no_tokens_left", atMs: lookAtMs };
		return { batch, kind: "flush", reason, atMs: Math.max(nowMs, soonestMs) };
	}
	if (decision.reason === "no_batches_left" || decision.reason === "no_tokens_left") return { batch, kind: "look", reason: decision.reason, atMs: lookAtMs };
	const alarms = alarmsOf(inBatch, conditions).filter(({ reason }) => reason !== "quiet");
	const [first] = [...alarms.map(({ reason, atMs }) => ({ reason, atMs: atMs - skewMs })), { reason: "real_time" as const, atMs: realTimeAtMs }].toSorted(
		(left, right) => left.atMs - right.atMs,
	);
	return { batch, kind: "flush", reason: first?.reason ?? "age", atMs: Math.max(first?.atMs ?? nowMs, soonestMs) };
}

function conditionsOf(picture: CollectorPicture, { skewMs, pacePermille }: CollectorState, nowMs: number): CollectorConditions {
	const { limits, turnaround, enqueuedTokens, realTimeP99Ms, marginMs } = picture;
	return {
		...{
			enqueuedTokens,
			realTimeP99Ms,
			marginMs,
			quantileMs: turnaround.quantileMs,
			nowMs: nowMs + skewMs,
			batchesLeft: picture.batchesLeft ?? Number.POSITIVE_INFINITY,
		},
		limits: {
			...limits,
			embeddingInputsMax: limits.embeddingInputsMax ?? undefined,
			enqueuedTokensMax: limits.enqueuedTokensMax ?? undefined,
			itemOverheadBytes: LINE_OVERHEAD_BYTES,
		},
		...collectorPace(pacePermille),
	};
}

/** How long items are collected: `pacePermille` thousandths of the ordinary time. */
export function collectorPace(pacePermille: number): { readonly ageMaxMs: number; readonly quietMinMs: number } {
	return { ageMaxMs: paced(COLLECT_AGE_MS, { pacePermille }), quietMinMs: paced(QUIET_MIN_MS, { pacePermille }) };
}

/** Of a batch that went quiet when another item came nothing is sent: it is not quiet any more. */
function flushOf({ batchId, version }: CollectingBatch, reason: CollectorFlushReason): CollectorStep {
	return { kind: "flush", batchId, version: reason === "quiet" ? version : null, reason };
}

function isFresh({ readAtMs }: CollectorState, nowMs: number): boolean {
	return nowMs - readAtMs <= FRESH_MS;
}

export function paced(delayMs: number, { pacePermille }: Pick<CollectorState, "pacePermille">): number {
	return Math.ceil((delayMs * pacePermille) / 1_000);
}
