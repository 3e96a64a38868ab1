import type { Queryable } from "#activities/pricebooks/port.ts";
import { readPriceBookAt } from "#activities/pricebooks/postgres.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";
import type { BatchRecord } from "../port.ts";
import type { PriceResult } from "./job-port.ts";
import { bookingOf } from "./price-item.ts";

/** Books kept in memory: batches of a day share theirs. */
const BOOKS_MAX = 4;

/** Prices results of batches with the books they were held by. A book that was read once is kept. */
export function createBatchPricing(database: Queryable): (batch: BatchRecord) => Promise<PriceResult> {
	const books = new Map<string, PriceBook>();
	return async (batch) => {
		const at = new Date(batch.pricesAsOfMs).toISOString();
		const name = `${batch.priceVersion} ${at}`;
		const book = books.get(name) ?? (await readPriceBookAt(database, batch.priceVersion, at));
		books.delete(name);
		books.set(name, book);
		for (const oldest of [...books.keys()].slice(0, Math.max(books.size - BOOKS_MAX, 0))) books.delete(oldest);
		const line = book.find(batch.provider, batch.pricedModel ?? batch.model);
		if (line === undefined) throw new CostControlError("pricing.unknown_model", `the price book of batch ${batch.batchId} has no ${batch.model} any more`);
		const pricing = { line, reach: { tiers: ["batch"] }, deployment: batch.deployment, book, endpoint: batch.endpoint } as const;
		return (of, result) => bookingOf(of, result, pricing);
	};
}
