import { answered } from "./batch-stand.ts";
import type { DeferredStand, TestItem } from "./deferred-stand.ts";

/** Items that were handed in alone, ran in one batch, and whose answers are written: their ids, in order. Each succeeds, at half of what it costs in real time. */
export async function endItems(stand: DeferredStand, items: readonly TestItem[], booking: Parameters<typeof answered>[1] = {}): Promise<string[]> {
	const accepted = [];
	for (const item of items) accepted.push(await stand.accepted(stand.item(item)));
	const batchId = await stand.flushed(accepted[0]?.batch.batchId ?? "");
	await stand.batches.send(batchId, 1);
	await stand.batches.store.book(
		batchId,
		accepted.map(({ record }) => answered(record.n, { realTimeNanoUsd: 200n, ...booking })),
	);
	await stand.deferred.markAnswered(
		batchId,
		accepted.map(({ record }) => ({ n: record.n, httpStatus: 200, answerBlobKey: `demo/deferred/${record.deferredId}/answer` })),
	);
	return accepted.map(({ record }) => record.deferredId);
}
