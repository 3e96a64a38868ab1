import { attemptIdOf, itemOf } from "#domain/batching/attempt-of-item.ts";
import type { RunTries } from "#domain/batching/choose-lane.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import type { CollectTally } from "#domain/batching/job-state.ts";
import { BATCH_TRIES_MAX, judgeItemError, TRIES_MAX } from "#domain/batching/retry.ts";
import type { BatchRecord, ItemBooking, ItemToSend } from "../port.ts";
import type { JobStore, PriceResult } from "./job-port.ts";
import { lostBookingOf } from "./price-item.ts";

/** What `BatchStore.book` takes at once. */
const BOOKED_AT_ONCE = 500;
/** A page of open items; a part of 100,000 is some 20 MB in memory. */
const PAGE = 5_000;

export type ReadingToBook = {
	readonly store: JobStore;
	readonly batch: BatchRecord;
	readonly part: number;
	readonly lines: AsyncIterable<ResultLine>;
	readonly price: PriceResult;
	/** What nothing is said of is charged at its bound. */
	readonly isLast: boolean;
	/** What did not run stays open, to go into another part. */
	readonly mayGoAgain: boolean;
	/** The tries of items that count (kept-tries.ts); this reading's is among them. Default: all. */
	readonly runTries?: (items: readonly ItemToSend[]) => Promise<(n: number) => RunTries | undefined>;
};

/**
 * Books one reading of a part's results, in whatever order and how often they come. What was billed is booked at once; what was not is
 * booked behind the last line, since a line of a doubled item may say otherwise: work that was paid for wins.
 */
export async function bookResults(reading: ReadingToBook): Promise<CollectTally> {
	const { store, batch, part } = reading;
	const open = new Map<number, ItemToSend>();
	for await (const item of openItemsOf(store, { batchId: batch.batchId, part })) open.set(item.n, item);
	const late = reading.mayGoAgain ? [...open.values()].filter(({ tryNumber }) => tryNumber >= triesMaxOf(batch)) : [];
	const ranOf = late.length === 0 ? undefined : await reading.runTries?.(late);
	const booker = new ResultBooker(reading, open, ranOf);
	for await (const line of reading.lines) await booker.take(line);
	return booker.finish();
}

/** Items that the part carries and that have no outcome. */
export async function* openItemsOf(store: Pick<JobStore, "itemsOfPart">, of: { readonly batchId: string; readonly part: number }): AsyncGenerator<ItemToSend> {
	for (let after = 0; ; ) {
		const page = await store.itemsOfPart(of, after, PAGE);
		yield* page;
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) return;
	}
}

class ResultBooker {
	private readonly reading: ReadingToBook;
	/** Nothing was said of them yet, or nothing that was billed. */
	private readonly open: Map<number, ItemToSend>;
	/** Of open ones: said not to be billed. null: it goes again. */
	private readonly unbilled = new Map<number, ItemBooking | null>();
	/** Billed tries of this reading, as places behind each other: `n + items × (try - 1)`. */
	private readonly billed = new Set<number>();
	/** By number of an item that has used up its tries, if all of them counted. */
	private readonly ranOf: ((n: number) => RunTries | undefined) | undefined;
	private chunk: ItemBooking[] = [];
	private readonly counts = { booked: 0, unresolved: 0, unknown: 0, repeated: 0, unreadable: 0 };

	constructor(reading: ReadingToBook, open: Map<number, ItemToSend>, ranOf: ((n: number) => RunTries | undefined) | undefined) {
		this.reading = reading;
		this.open = open;
		this.ranOf = ranOf;
	}

	async take(line: ResultLine): Promise<void> {
		if (line.kind === "unreadable") {
			this.counts.unreadable++;
			return;
		}
		const named = itemOf(line.customId, { batchNumber: this.reading.batch.number, items: this.reading.batch.items });
		if (named === undefined) this.counts.unknown++;
		else await this.decide(named, line.result);
	}

	async finish(): Promise<CollectTally> {
		const untold = [...this.open.values()].filter(({ n }) => !this.unbilled.has(n));
		const { isLast } = this.reading;
		// What is cut off may say of an item that it ran after all: nothing is given back on the word of half a file.
		if (!isLast && (untold.length > 0 || this.counts.unreadable > 0)) {
			await this.flush();
			return { ...this.counts, goAgain: 0, missing: this.open.size };
		}
		let goAgain = 0;
		for (const unbilled of this.unbilled.values()) {
			if (unbilled === null) goAgain++;
			else await this.add(unbilled);
		}
		for (const item of untold) await this.charge(item);
		await this.flush();
		return { ...this.counts, goAgain, missing: 0 };
	}

	private async decide(named: Pick<ItemToSend, "n" | "tryNumber">, result: ItemResult): Promise<void> {
		const item = this.open.get(named.n);
		const isAwaited = item?.tryNumber === named.tryNumber;
		const booking = this.reading.price(named, result);
		if (booking.costNanoUsd === null) {
			if (!isAwaited || this.unbilled.has(named.n)) this.counts.repeated++;
			else this.unbilled.set(named.n, this.reading.mayGoAgain && this.isForAnotherTry(named, result) ? null : booking);
			return;
		}
		const place = named.n + this.reading.batch.items * (named.tryNumber - 1);
		if (this.billed.has(place)) {
			this.counts.repeated++;
			return;
		}
		this.billed.add(place);
		// What is billed for an item that has its outcome from another try is a double, which the store books as such.
		if (isAwaited) this.settle(named.n);
		else this.counts.repeated++;
		if (booking.unresolvedReason != null) this.counts.unresolved++;
		await this.add(booking);
	}

	/** Not what is wrong with the item: it would be wrong again. */
	private isForAnotherTry({ n, tryNumber }: Pick<ItemToSend, "n" | "tryNumber">, result: ItemResult): boolean {
		const { batch } = this.reading;
		if ((this.ranOf?.(n)?.tries.length ?? tryNumber) >= triesMaxOf(batch)) return false;
		return result.kind === "errored" ? judgeItemError(batch.protocol, result).isWorthAnother : result.kind !== "succeeded";
	}

	private settle(n: number): void {
		this.open.delete(n);
		this.unbilled.delete(n);
	}

	/** It may have run: nobody can say what it cost. */
	private async charge(item: ItemToSend): Promise<void> {
		this.counts.unresolved++;
		await this.add(lostBookingOf(item, "the provider says nothing of it"));
	}

	private async add(booking: ItemBooking): Promise<void> {
		this.chunk.push(booking);
		if (this.chunk.length >= BOOKED_AT_ONCE) await this.flush();
	}

	private async flush(): Promise<void> {
		if (this.chunk.length === 0) return;
		const { store, batch } = this.reading;
		this.counts.booked += (await store.book(batch.batchId, this.chunk)).length;
		this.chunk = [];
	}
}

/** It may go in real time after its batches. */
function triesMaxOf({ rules }: BatchRecord): number {
	return rules.mayRelane ? TRIES_MAX : BATCH_TRIES_MAX;
}

/** How items end that the provider ran nothing of, as a line that it could have said. */
export function unrunLineOf(
	item: Pick<ItemToSend, "n" | "tryNumber">,
	batch: BatchRecord,
	as: "errored" | "expired" | "cancelled",
	problem: string | null,
): ResultLine {
	const customId = attemptIdOf({ batchNumber: batch.number, items: batch.items, ...item });
	if (as !== "errored") return { kind: "item", customId, result: { kind: as } };
	return {
		kind: "item",
		customId,
		result: { kind: "errored", httpStatus: 400, requestId: null, body: errorBody(batch, problem ?? "the provider refused it") },
	};
}

function errorBody({ protocol }: BatchRecord, message: string): string {
	const error = { type: "invalid_request_error", message };
	return JSON.stringify(protocol === "anthropic" ? { type: "error", error } : { error: { ...error, param: null, code: "batch_refused" } });
}

/** Books items that the provider ran nothing of, page by page. */
export async function bookUnrun(
	{ store, batch }: Pick<ReadingToBook, "store" | "batch">,
	outcome: "errored" | "expired" | "cancelled",
	readPage: (after: number, most: number) => Promise<readonly ItemToSend[]>,
): Promise<void> {
	const nothing = { costNanoUsd: null, costTokens: 0, usage: null, answeredModel: null, serviceTier: null, providerRequestId: null, httpStatus: null };
	for (let after = 0; ; ) {
		const page = await readPage(after, BOOKED_AT_ONCE);
		if (page.length === 0) return;
		after = page.at(-1)?.n ?? after;
		await store.book(
			batch.batchId,
			page.map(({ n, tryNumber }) => ({ n, tryNumber, outcome, ...nothing })),
		);
	}
}
