import type { Answer } from "../../api/client.ts";
import { mayGovern } from "../../api/rights.ts";
import type { Session } from "../../api/session.ts";
import type { Tone } from "../../frame/page.tsx";
import type { BatchState } from "./states.ts";

export type Batch = Answer<"/admin/v1/batches/{batchId}">;
export type ListedBatch = Answer<"/admin/v1/batches">["batches"][number];
export type BatchPart = Batch["parts"][number];

export const STATE_TONES: Readonly<Record<BatchState, Tone>> = {
	collecting: "quiet",
	held: "quiet",
	running: "good",
	cancelling: "warn",
	finalizing: "good",
	completed: "good",
	expired: "warn",
	cancelled: "quiet",
	failed: "bad",
};

type ItemOutcome = Exclude<keyof ListedBatch["counts"], "open">;

/** How items ended, in the order in which they are shown, with the color of each. */
export const OUTCOMES: readonly { readonly outcome: ItemOutcome; readonly color: string }[] = [
	{ outcome: "succeeded", color: "var(--console-good)" },
	{ outcome: "errored", color: "var(--console-bad)" },
	{ outcome: "expired", color: "var(--console-warn)" },
	{ outcome: "cancelled", color: "var(--console-quiet)" },
];

export function endedItems({ items, counts }: Pick<ListedBatch, "items" | "counts">): number {
	return items - counts.open;
}

/** Whole percents, rounded down, so that 100 means all; null of a batch without items. */
export function endedPercent(batch: Pick<ListedBatch, "items" | "counts">): number | null {
	return batch.items === 0 ? null : Math.floor((endedItems(batch) * 100) / batch.items);
}

/** Items go on being handed in to one that collects; they are cancelled one by one. */
export function mayDecide({ state, endedAt }: Pick<Batch, "state" | "endedAt">, session: Session): boolean {
	return mayGovern(session) && endedAt === null && state !== "collecting";
}

const STEPS: Readonly<Record<string, string>> = {
	read: "looks how it stands",
	writeParts: "writes its requests for the provider",
	chooseLanes: "chooses a way for each item",
	hedge: "sends in real time what would come late",
	endUnsent: "ends what was not sent",
	seek: "looks once more for a part that was not found",
	settleDouble: "books a batch that should not be",
	deliver: "writes answers to where they are read",
	tellLate: "tells people that it is late",
	finish: "joins its outputs",
	upload: "hands in the request file",
	create: "creates the batch at the provider",
	find: "looks whether the provider has it",
	poll: "looks how the provider stands",
	cancel: "asks the provider to cancel",
	collect: "books results",
	again: "sends again what did not run",
	call: "calls the provider in real time",
	drop: "ends a part that the provider did not take",
	wait: "waits for the provider",
};

/** What the workflow does, in words; a step of a newer release goes by its own name. */
export function stepWords(step: string): string {
	return STEPS[step] ?? step;
}

/** What becomes of items that the provider did not run. */
export function ruleWords({ mayResubmit, mayRelane }: Pick<Batch, "mayResubmit" | "mayRelane">): string {
	if (mayResubmit && mayRelane) return "go into another batch, once, then in real time";
	if (mayRelane) return "go in real time";
	return mayResubmit ? "go into another batch, once" : "end as they are";
}
