import type { Queryable } from "#activities/pricebooks/port.ts";
import { readPriceBookAt } from "#activities/pricebooks/postgres.ts";
import type { AnswerReader } from "#activities/telemetry/item-answer.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { divideRoundingUp } from "#domain/money/nano-usd.ts";
import type { PriceBook, PriceLine, PriceTier, TokenPrices } from "#domain/pricing/price-book.ts";
import type { BatchRecord } from "../port.ts";
import type { PriceResult } from "./job-port.ts";
import { bookingOf } from "./price-item.ts";

/** Books kept in memory: batches of a day share theirs. */
const BOOKS_MAX = 4;

/** By the book that was frozen when the batch was made. */
export type BatchPricing = {
	open(batch: BatchRecord, lane?: Lane): Promise<PriceResult>;
	/** What an item is expected to cost in real time and with a batch: its bound, and the same share of it that the prices of batches are at most. */
	openCosts(batch: BatchRecord): Promise<ExpectedCosts>;
};

export type ExpectedCosts = (boundNanoUsd: bigint) => { readonly realTimeNanoUsd: bigint; readonly batchNanoUsd: bigint };

/** Prices results of batches with the books they were held by. A book that was read once is kept. `answers`: what spans show of them is read too. */
export function createBatchPricing(database: Queryable, answers?: AnswerReader): BatchPricing {
	const books = new Map<string, PriceBook>();
	const lineOf = async (batch: BatchRecord): Promise<{ readonly book: PriceBook; readonly line: PriceLine }> => {
		const at = new Date(batch.pricesAsOfMs).toISOString();
		const name = `${batch.priceVersion} ${at}`;
		const book = books.get(name) ?? (await readPriceBookAt(database, batch.priceVersion, at));
		books.delete(name);
		books.set(name, book);
		for (const oldest of [...books.keys()].slice(0, Math.max(books.size - BOOKS_MAX, 0))) books.delete(oldest);
		const line = book.find(batch.provider, batch.pricedModel ?? batch.model);
		if (line === undefined) throw new CostControlError("pricing.unknown_model", `the price book of batch ${batch.batchId} has no ${batch.model} any more`);
		return { book, line };
	};
	return {
		async open(batch, lane = "batch") {
			const { book, line } = await lineOf(batch);
			// An item of a caller's batch went with that, unless it is said that it did not.
			const isTold = batch.origin === "collected" || lane === "real_time";
			const tiers: readonly PriceTier[] = [lane === "batch" ? "batch" : "standard"];
			const pricing = { line, reach: { tiers }, deployment: batch.deployment, book, endpoint: batch.endpoint, ...(isTold && { lane }) };
			const price: PriceResult = (of, result) => bookingOf(of, result, pricing);
			if (answers === undefined) return price;
			return (of, result) => {
				const booking = price(of, result);
				return result.kind === "succeeded" || result.kind === "errored" ? { ...booking, answer: answers(batch.endpoint, result) } : booking;
			};
		},
		async openCosts(batch) {
			const { tiers } = (await lineOf(batch)).line;
			const permille = permilleOf(tiers.batch?.[0]?.prices, tiers.standard[0]?.prices);
			return (boundNanoUsd) => ({ realTimeNanoUsd: boundNanoUsd, batchNanoUsd: divideRoundingUp(boundNanoUsd * permille, 1_000n) });
		},
	};
}

/** Of what real time costs; a thousand where the book has no prices of batches. */
function permilleOf(batch: TokenPrices | undefined, standard: TokenPrices | undefined): bigint {
	if (batch === undefined || standard === undefined) return 1_000n;
	const shares = [batch.input * 1_000n, batch.output * 1_000n].map((scaled, at) => {
		const whole = at === 0 ? standard.input : standard.output;
		return whole === 0n ? 0n : divideRoundingUp(scaled, whole);
	});
	return shares.reduce((most, share) => (share > most ? share : most), 0n);
}
