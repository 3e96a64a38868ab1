import type { DeferredItem } from "./deferred-order.ts";
import type { DeferredRow } from "./judge-deferred.ts";

/** Why an item was answered after its deadline. */

/** A process that was away, from its kill until it works again. */
export type Outage = { readonly component: string; readonly fromMs: number; readonly untilMs: number };

export type LateItem = {
	readonly row: DeferredRow;
	readonly fate: DeferredItem["fate"];
	/** The provider keeps results of its batches to itself. */
	readonly isWithheld: boolean;
	/** The team's budget refused others of its items: there may have been no money for another try. */
	readonly isShort: boolean;
	readonly outages: readonly Outage[];
};

/** What a call in real time is given, and its margin, in the check (quick-batches.mjs). */
const CALL_MS = 2_000;
const MARGIN_MS = 8_000;
/** What a worker, or Temporal, that is back needs until what it did is taken up: heartbeats of activities run out first. */
export const RECOVERS_WITHIN_MS = 30_000;

/** The first reason that holds; undefined where none does. */
export function explainLateness({ row, fate, isWithheld, isShort, outages }: LateItem): string | undefined {
	const { accepted_at_ms: acceptedAtMs, deadline_ms: deadlineMs, answered_at_ms: answeredAtMs, may_go_real_time: mayGoRealTime } = row;
	if (deadlineMs === null || answeredAtMs === null) return undefined;
	if (!mayGoRealTime) return "its caller forbade real time";
	if (deadlineMs - acceptedAtMs < CALL_MS + MARGIN_MS) return `${Math.round(deadlineMs - acceptedAtMs)} ms were left for it from the first`;
	const outage = outages.find(({ fromMs, untilMs }) => fromMs < answeredAtMs && untilMs + RECOVERS_WITHIN_MS > acceptedAtMs);
	if (outage !== undefined) return `${outage.component} was killed`;
	if (fate !== "answered") return `the provider did not answer it (${fate})`;
	if (isWithheld) return "the provider keeps results to itself";
	if (isShort) return "there was no money for another try";
	const sentAtMs = row.part_lane === "real_time" ? (row.sent_at_ms ?? row.written_at_ms) : null;
	if (sentAtMs !== null && sentAtMs <= deadlineMs - CALL_MS) return "the call that was made in time took longer";
	return undefined;
}
