import { attemptIdOf, itemOf } from "#domain/batching/attempt-of-item.ts";
import { isCertain, type PartRecord, type ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import type { BatchProvider } from "../providers/provider-port.ts";
import { openItemsOf } from "./book-results.ts";
import type { BatchJobDependencies, Reading } from "./job-port.ts";
import { readPart } from "./job-rows.ts";

/** Whose a batch of the provider is that was found by its size alone: what is known of it by now, and what its results say. */

/** It was found by its size, and meanwhile an answer or its results said that it is another part. It may be gone at the provider by now. */
export async function isKnownAsOthers(store: BatchJobDependencies["store"], { provider }: BatchRecord, record: PartRecord): Promise<boolean> {
	if (isCertain(record) || record.providerBatchId === null) return false;
	return (await store.knownProviderBatches(provider)).get(record.providerBatchId)?.isCertain === true;
}

/**
 * Only a batch that was found by its size can be another's: nothing of the part has ended, its lines name items, and none of them is one that the part
 * carries. It may be another part of the same batch, which looks like this one.
 */
export async function whoseResults({ lines, store }: BatchJobDependencies, batch: BatchRecord, reading: Reading): Promise<"ours" | "others" | "unknown"> {
	const carried = new Set<string>();
	const of = { batchId: batch.batchId, part: reading.part };
	for await (const item of openItemsOf(store, of)) carried.add(attemptIdOf({ batchNumber: batch.number, items: batch.items, ...item }));
	if (carried.size < (await readPart(store, of)).items) return "ours";
	let named = 0;
	for await (const line of lines.readResults(batch, reading)) {
		if (line.kind !== "item") continue;
		if (carried.has(line.customId)) return "ours";
		named++;
	}
	return named > 0 ? "others" : "unknown";
}

/** Whether a batch that was not taken for any part's yet is of this batch, by the first item its results name. What cannot be read names none. */
export async function namesItemsOf({ number, items }: BatchRecord, provider: BatchProvider, status: ProviderBatchStatus): Promise<boolean> {
	try {
		for await (const line of provider.results(status)) if (line.kind === "item") return itemOf(line.customId, { batchNumber: number, items }) !== undefined;
		return false;
	} catch (error) {
		if (error instanceof CostControlError && error.code === "provider.results_gone") return false;
		throw error;
	}
}
