import { itemOf } from "#domain/batching/attempt-of-item.ts";
import { keptLinesOf } from "../delivery/answers.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import type { BatchJobDependencies } from "./job-port.ts";
import { readingsOf } from "./job-rows.ts";

/** By number of an item that waits, its tries of which a result is kept, be it that they expired: a provider had those. The same after a crash. */
export async function triesThatRan(
	dependencies: Pick<BatchJobDependencies, "lines" | "store" | "observer">,
	batch: BatchRecord,
	items: readonly Pick<ItemToSend, "n">[],
): Promise<ReadonlyMap<number, ReadonlySet<number>>> {
	const ran = new Map(items.map(({ n }) => [n, new Set<number>()]));
	for (const reading of await readingsOf(dependencies, batch)) {
		for await (const line of keptLinesOf(dependencies, batch, reading)) {
			if (line.kind !== "item") continue;
			const named = itemOf(line.customId, { batchNumber: batch.number, items: batch.items });
			if (named !== undefined) ran.get(named.n)?.add(named.tryNumber);
		}
	}
	return ran;
}
