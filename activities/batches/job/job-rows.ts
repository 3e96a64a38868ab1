import { assert } from "#domain/assert.ts";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import { shouldCancel } from "#domain/batching/hedge.ts";
import type { StepOutcome, StepResult } from "#domain/batching/job-reducer.ts";
import type { JobPicture } from "#domain/batching/job-state.ts";
import { REAL_TIME_RATE } from "#domain/batching/pressure.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import { type BatchJobDependencies, type JobStore, type Reading, SAID_BY } from "./job-port.ts";

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
	const [unanswered] = batch.origin === "collected" ? await store.unanswered(batchId, 0, 1) : [];
	const { state, version, protocol, provider, model, items, counts, rules, heldNanoUsd, settledNanoUsd, createdAtMs, deadlineMs, cancelAskedAtMs, problem } =
		batch;
	const isCollected = batch.origin === "collected";
	return {
		batch: {
			...{ state, version, protocol, provider, model, items, counts, rules, heldNanoUsd, settledNanoUsd, createdAtMs, deadlineMs, cancelAskedAtMs, problem },
			...(isCollected && { origin: batch.origin }),
		},
		parts: parts.toSorted((left, right) => left.part - right.part),
		hasItemsToSend: first !== undefined,
		...(isCollected && (await readHedge(store, batchId))),
		...(unanswered !== undefined && { hasAnswersToDeliver: true }),
	};
}

/** Nothing of a batch that runs has ended, but what went in real time. */
async function readHedge(store: JobStore, batchId: string): Promise<Pick<JobPicture, "hedgeByMs" | "unneededParts">> {
	const { byMs, parts } = await store.readHedge(batchId, 1_000 / REAL_TIME_RATE.itemsPerSecond);
	const unneeded = parts.filter(({ items, waiting }) => shouldCancel({ items, hedged: items - waiting })).map(({ part }) => part);
	return { hedgeByMs: byMs, ...(unneeded.length > 0 && { unneededParts: unneeded }) };
}

export async function resultOf(store: JobStore, batchId: string, outcome: StepOutcome = { kind: "done" }): Promise<StepResult> {
	const picture = await readPicture(store, batchId);
	if (picture === undefined) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
	return { picture, outcome };
}

/** Everything that was kept of it, in the order of the parts. */
export async function readingsOf({ lines, store }: Pick<BatchJobDependencies, "lines" | "store">, batch: BatchRecord): Promise<Reading[]> {
	const kept: Reading[] = [];
	const parts = (await store.parts(batch.batchId)).map((record) => ({ part: record.part, saidBy: sayingOf(record) }));
	for (const { part, saidBy } of [{ part: 0, saidBy: batch.origin === "collected" ? [SAID_BY.unsendable] : [] }, ...parts]) {
		if (await lines.hasResults(batch, { part, reading: 0 })) kept.push({ part, reading: 0 });
		for (const providerBatchId of saidBy) {
			const last = await lastReading(lines, batch, { part, providerBatchId });
			for (let reading = 1; reading <= last; reading++) kept.push({ part, reading, providerBatchId });
		}
	}
	return kept;
}

function sayingOf({ lane, providerBatchId }: PartRecord): readonly string[] {
	if (lane === "real_time") return [SAID_BY.realTime];
	return providerBatchId === null ? [SAID_BY.double] : [providerBatchId, SAID_BY.double];
}

/** 0: there is none. They are numbered from 1 without a gap, and there may be hundreds: they are not all asked for. */
export async function lastReading(
	lines: Pick<BatchJobDependencies["lines"], "hasResults">,
	batch: BatchRecord,
	of: { readonly part: number; readonly providerBatchId: string },
): Promise<number> {
	let [last, absent] = [0, 1];
	while (await lines.hasResults(batch, { ...of, reading: absent })) [last, absent] = [absent, 2 * absent];
	while (absent - last > 1) {
		const middle = (last + absent) >> 1;
		if (await lines.hasResults(batch, { ...of, reading: middle })) last = middle;
		else absent = middle;
	}
	return last;
}
