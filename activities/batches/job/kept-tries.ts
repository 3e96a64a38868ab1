import { itemOf } from "#domain/batching/attempt-of-item.ts";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import type { RunTries } from "#domain/batching/choose-lane.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { keptLinesOf } from "../delivery/answers.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import type { BatchJobDependencies } from "./job-port.ts";
import { readingsOf } from "./job-rows.ts";

/** What became of the tries of items that wait for another, by the results that are kept: so it is the same after a crash. */
type Reader = Pick<BatchJobDependencies, "lines" | "store" | "observer">;

/**
 * By number of an item that waits or is being booked, its tries of which a result is kept, be it that they expired: a provider had those. undefined of
 * every item where each batch was taken: then all tries count.
 */
export async function readRunTries(reader: Reader, batch: BatchRecord, items: readonly Pick<ItemToSend, "n">[]): Promise<(n: number) => RunTries | undefined> {
	const untaken = items.length === 0 ? 0 : countUntaken(await reader.store.parts(batch.batchId));
	if (untaken === 0) return () => undefined;
	const ran = new Map(items.map(({ n }) => [n, new Set<number>()]));
	for await (const { n, tryNumber } of keptTries(reader, batch)) ran.get(n)?.add(tryNumber);
	return (n) => ({ tries: [...(ran.get(n) ?? [])], untaken });
}

/** Batches that no provider took, for want of room or because it never had them: a try in one of them was none in which an item could be done. */
function countUntaken(parts: readonly PartRecord[]): number {
	return parts.filter(({ state, lane }) => state === "failed" && lane !== "real_time").length;
}

/** The numbers of those whose last try brought an error. Where nothing goes again, that is what its caller reads (delivery/last-errors.ts). */
export async function failedLast(reader: Reader, batch: BatchRecord, items: readonly Pick<ItemToSend, "n" | "tryNumber">[]): Promise<ReadonlySet<number>> {
	const failed = new Set<number>();
	const lastTries = new Map(items.flatMap(({ n, tryNumber }) => (tryNumber > 1 ? [[n, tryNumber - 1]] : [])));
	if (lastTries.size === 0) return failed;
	for await (const { n, tryNumber, result } of keptTries(reader, batch)) {
		if (result.kind === "errored" && lastTries.get(n) === tryNumber) failed.add(n);
		if (failed.size === lastTries.size) break;
	}
	return failed;
}

/** Each result of an item that is kept, those of the newest readings first. */
async function* keptTries(reader: Reader, batch: BatchRecord): AsyncGenerator<{ readonly n: number; readonly tryNumber: number; readonly result: ItemResult }> {
	for (const reading of (await readingsOf(reader, batch)).toReversed()) {
		for await (const line of keptLinesOf(reader, batch, reading)) {
			const named = line.kind === "item" ? itemOf(line.customId, { batchNumber: batch.number, items: batch.items }) : undefined;
			if (line.kind === "item" && named !== undefined) yield { ...named, result: line.result };
		}
	}
}
