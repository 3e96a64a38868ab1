import { assert } from "#domain/assert.ts";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import type { StepOutcome, StepResult } from "#domain/batching/job-reducer.ts";
import type { JobPicture } from "#domain/batching/job-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import type { JobStore } from "./job-port.ts";

/** The rows of a batch, as its job reads them before and after each step. */
export async function readBatch(store: JobStore, batchId: string): Promise<BatchRecord> {
	const batch = await store.read(batchId);
	if (batch === undefined) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
	return batch;
}

export async function readPart(store: JobStore, { batchId, part }: { readonly batchId: string; readonly part: number }): Promise<PartRecord> {
	const found = (await store.parts(batchId)).find((record) => record.part === part);
	assert(found !== undefined, `batch ${batchId} has no part ${part}`);
	return found;
}

/** Says in the rows that its workflow drives it, and that it ends it where that was asked for: whoever starts workflows need not tell it again. */
export async function takeUp(store: JobStore, batchId: string): Promise<void> {
	const batch = await store.read(batchId);
	const isAsked = batch?.cancelAskedAtMs != null;
	if (batch?.state === "held") await store.move(batchId, isAsked ? "cancelling" : "running", {});
	else if (batch?.state === "running" && isAsked) await store.move(batchId, "cancelling", {});
}

/** undefined: it was given up before anything was held. */
export async function readPicture(store: JobStore, batchId: string): Promise<JobPicture | undefined> {
	const batch = await store.read(batchId);
	if (batch === undefined) return undefined;
	const parts = await store.parts(batchId);
	const [first] = await store.itemsToSend(batchId, 0, 1);
	const { state, version, protocol, provider, model, items, counts, rules, heldNanoUsd, settledNanoUsd, createdAtMs, deadlineMs, cancelAskedAtMs, problem } =
		batch;
	return {
		batch: {
			...{ state, version, protocol, provider, model, items, counts, rules, heldNanoUsd, settledNanoUsd, createdAtMs, deadlineMs, cancelAskedAtMs, problem },
		},
		parts: parts.toSorted((left, right) => left.part - right.part),
		hasItemsToSend: first !== undefined,
	};
}

export async function resultOf(store: JobStore, batchId: string, outcome: StepOutcome = { kind: "done" }): Promise<StepResult> {
	const picture = await readPicture(store, batchId);
	if (picture === undefined) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
	return { picture, outcome };
}
