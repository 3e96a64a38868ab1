import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import { ownErrorOf } from "#domain/batching/item-answer.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import type { UnsendableItem } from "../lines/write-bodies.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import { bookUnrun } from "./book-results.ts";
import { type BatchJobDependencies, SAID_BY } from "./job-port.ts";
import { lastReading } from "./job-rows.ts";

type Unsendable = { readonly items: readonly ItemToSend[]; readonly unsendable: readonly UnsendableItem[] };

/** Ends items whose bodies are not there, and gives back what was held for them. What is said of each is kept first; said twice it is the same. */
export async function endUnsendable({ store, lines }: BatchJobDependencies, batch: BatchRecord, { items, unsendable }: Unsendable): Promise<void> {
	if (unsendable.length === 0) return;
	const whyByNumber = new Map(unsendable.map((each) => [each.n, each]));
	const ended = items.filter(({ n }) => whyByNumber.has(n));
	const of = { part: 0, providerBatchId: SAID_BY.unsendable };
	await lines.keepResults(batch, { ...of, reading: (await lastReading(lines, batch, of)) + 1 }, linesOf(batch, ended, whyByNumber));
	await bookUnrun({ store, batch }, "errored", async (after, most) => ended.filter(({ n }) => n > after).slice(0, most));
}

async function* linesOf(batch: BatchRecord, items: readonly ItemToSend[], whyByNumber: ReadonlyMap<number, UnsendableItem>): AsyncGenerator<ResultLine> {
	for (const item of items) {
		const why = whyByNumber.get(item.n);
		if (why === undefined) continue;
		const { httpStatus, body } = ownErrorOf({ ...why, code: "deferred.unsendable" }, batch.protocol);
		const customId = attemptIdOf({ batchNumber: batch.number, items: batch.items, ...item });
		yield { kind: "item", customId, result: { kind: "errored", httpStatus, requestId: null, body } };
	}
}
