import { itemOf } from "#domain/batching/attempt-of-item.ts";
import { keptLinesOf } from "../delivery/answers.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import type { BatchJobDependencies } from "./job-port.ts";
import { readingsOf } from "./job-rows.ts";

/**
 * Of items that wait for another try, the numbers of those whose last one brought an error, by the results that are kept: so it is the same after a crash.
 * Where nothing goes again, that error is what its caller reads (delivery/last-errors.ts).
 */
export async function failedLast(
	dependencies: Pick<BatchJobDependencies, "lines" | "store" | "observer">,
	batch: BatchRecord,
	items: readonly Pick<ItemToSend, "n" | "tryNumber">[],
): Promise<ReadonlySet<number>> {
	const failed = new Set<number>();
	const lastTries = new Map(items.flatMap(({ n, tryNumber }) => (tryNumber > 1 ? [[n, tryNumber - 1]] : [])));
	if (lastTries.size === 0) return failed;
	for (const reading of (await readingsOf(dependencies, batch)).toReversed()) {
		for await (const line of keptLinesOf(dependencies, batch, reading)) {
			const named =
				line.kind === "item" && line.result.kind === "errored" ? itemOf(line.customId, { batchNumber: batch.number, items: batch.items }) : undefined;
			if (named !== undefined && lastTries.get(named.n) === named.tryNumber) failed.add(named.n);
			if (failed.size === lastTries.size) return failed;
		}
	}
	return failed;
}
