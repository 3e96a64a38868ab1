import { attemptIdOf, itemOf } from "#domain/batching/attempt-of-item.ts";
import { ownErrorOf } from "#domain/batching/item-answer.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import { judgeItemError, TRIES_MAX } from "#domain/batching/retry.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import type { BatchRecord, ItemBooking } from "../port.ts";
import type { RealTimeItem, RealTimePart } from "../real-time-port.ts";
import { accountOf } from "./job-lines.ts";
import { type BatchJobDependencies, type PriceResult, type Reading, SAID_BY } from "./job-port.ts";
import { lastReading } from "./job-rows.ts";
import { readRunTries } from "./kept-tries.ts";
import { lostBookingOf } from "./price-item.ts";
import { writeRealTimeParts } from "./write-real-time.ts";

const BOOKED_AT_ONCE = 500;
const PAGE = 5_000;

type Try = Pick<RealTimeItem, "n" | "tryNumber">;

function readingOf(part: number, page: number): Reading {
	return { part, reading: page, providerBatchId: SAID_BY.realTime };
}

/** Nobody knows what became of it: it may have run, and be billed. As the protocol says errors, so that its caller can read it. */
function unknownResult(protocol: Protocol): ItemResult {
	const message = "Nobody knows what became of the last try of this request: it was cut while the provider had it. It is charged at its bound.";
	return { kind: "errored", requestId: null, ...ownErrorOf({ httpStatus: 502, code: "deferred.unknown", message }, protocol) };
}

export type AnswersOptions = {
	readonly dependencies: BatchJobDependencies;
	readonly batch: BatchRecord;
	readonly of: RealTimePart;
	readonly price: PriceResult;
	/** Throws where the part may be another's: nothing is kept then. */
	readonly requireClaim: () => void;
};

/**
 * Answers in real time, page by page: a page is kept, then booked, then comes the next. So after a crash only the last one may not be booked
 * yet, and to book it again changes nothing.
 */
export class RealTimeAnswers {
	readonly #options: AnswersOptions;
	readonly #unknown: ItemResult;
	#pages = 0;
	/** Of the last page, while that is not booked. */
	#unbooked: readonly ResultLine[] | undefined;

	constructor(options: AnswersOptions) {
		this.#options = options;
		this.#unknown = unknownResult(options.batch.protocol);
	}

	/** What was kept before, and perhaps not booked. */
	async resume(): Promise<void> {
		const { dependencies, batch, of } = this.#options;
		this.#pages = await lastReading(dependencies.lines, batch, { part: of.part, providerBatchId: SAID_BY.realTime });
		if (this.#pages === 0) return;
		const last: ResultLine[] = [];
		for await (const line of dependencies.lines.readResults(batch, readingOf(of.part, this.#pages))) last.push(line);
		this.#unbooked = last;
		await this.book();
	}

	/** Items that were sent, and of which nothing was kept. */
	async keepUnknown(items: readonly Try[]): Promise<void> {
		await this.keep(items.map((item) => ({ item, result: this.#unknown })));
		await this.book();
	}

	/** As the next page, when the one before is booked. `result` null: not known. Throws: nothing was kept. */
	async keep(answers: readonly { readonly item: Try; readonly result: ItemResult | null }[]): Promise<void> {
		if (answers.length === 0) return;
		const { dependencies, batch, of, requireClaim } = this.#options;
		const { number: batchNumber, items } = batch;
		const lines = answers.map(({ item, result }): ResultLine => {
			const customId = attemptIdOf({ batchNumber, items, n: item.n, tryNumber: item.tryNumber });
			return { kind: "item", customId, result: result ?? this.#unknown };
		});
		await this.book();
		requireClaim();
		await dependencies.lines.keepResults(batch, readingOf(of.part, this.#pages + 1), eachOf(lines));
		this.#pages++;
		this.#unbooked = lines;
	}

	/** What was kept last; nothing where that is done. */
	async book(): Promise<void> {
		if (this.#unbooked === undefined) return;
		await this.#book(this.#unbooked);
		this.#unbooked = undefined;
	}

	async #book(lines: readonly ResultLine[]): Promise<void> {
		const { dependencies, batch, of, price } = this.#options;
		const { store, realTime } = dependencies;
		const [bookings, free, unknown]: [ItemBooking[], Try[], Try[]] = [[], [], []];
		const said = lines.flatMap((line) => {
			const named = line.kind === "item" ? itemOf(line.customId, { batchNumber: batch.number, items: batch.items }) : undefined;
			return line.kind === "item" && named !== undefined ? [{ line, named }] : [];
		});
		const hasTriesLeft = await this.#readTriesLeft(said.map(({ named }) => named));
		for (const { line, named } of said) {
			if (isSame(line.result, this.#unknown)) {
				unknown.push(named);
				continue;
			}
			const booking = price(named, line.result);
			if (booking.costNanoUsd === null && hasTriesLeft(named) && mayGoAgain(batch, line.result)) free.push(named);
			else bookings.push(booking);
			await this.#tellAccount(line.result);
		}
		await this.#sendBeside(unknown.filter(hasTriesLeft));
		const lost = unknown.map((named) => ({ ...lostBookingOf(named, "nobody knows whether it ran"), lane: "real_time" as const }));
		const all = [...bookings, ...lost];
		for (let from = 0; from < all.length; from += BOOKED_AT_ONCE) await store.book(batch.batchId, all.slice(from, from + BOOKED_AT_ONCE));
		if (free.length > 0) await realTime.store.freeItems(of, free);
		if (unknown.length === 0) return;
		const first = unknown[0]?.n ?? 0;
		await dependencies.raise({ kind: "batch.unresolved", batch, of: `${of.part}-${first}`, detail: { part: of.part, items: unknown.length } });
	}

	/** Of these tries each is kept. */
	async #readTriesLeft(tries: readonly Try[]): Promise<(named: Try) => boolean> {
		const { dependencies, batch } = this.#options;
		const late = tries.filter(({ tryNumber }) => tryNumber >= TRIES_MAX);
		const ranOf = await readRunTries(dependencies, batch, late);
		return ({ n, tryNumber }) => tryNumber < TRIES_MAX || (ranOf(n)?.tries.length ?? tryNumber) < TRIES_MAX;
	}

	/** What may have run goes again only where its bound is held once more: the first one pays for the try before. */
	async #sendBeside(unknown: readonly Try[]): Promise<void> {
		const { dependencies, batch, of } = this.#options;
		const { store, realTime } = dependencies;
		if (unknown.length === 0 || batch.cancelAskedAtMs !== null) return;
		const tries = new Map(unknown.map(({ n, tryNumber }) => [n, tryNumber]));
		const isFree = ({ n, tryNumber, isSecondHeld }: RealTimeItem) => tries.get(n) === tryNumber && !isSecondHeld;
		const wanted = (await openItemsOf(dependencies, of)).filter(isFree);
		if (wanted.length === 0) return;
		const held = new Set(
			await realTime.store.holdMore(
				batch.batchId,
				wanted.map(({ n }) => n),
				{ waitIsOver: true },
			),
		);
		const items = wanted.filter(({ n }) => held.has(n)).map(({ n }) => ({ n, bytes: 0 }));
		const stillThere = async () => new Set((await openItemsOf(dependencies, of)).map(({ n }) => n));
		await writeRealTimeParts({ store, batch, items, isBeside: true, stillThere });
	}

	async #tellAccount(result: ItemResult): Promise<void> {
		const { dependencies, batch, of } = this.#options;
		if (result.kind !== "errored" || !judgeItemError(batch.protocol, result).isOfAccount) return;
		await dependencies.tellQuota(batch, { account: accountOf(batch), part: of.part, message: `the provider said ${result.httpStatus}` });
	}
}

/** Without an outcome, carried by the part. */
export async function openItemsOf({ realTime }: Pick<BatchJobDependencies, "realTime">, of: RealTimePart): Promise<readonly RealTimeItem[]> {
	const all: RealTimeItem[] = [];
	for (let after = 0; ; ) {
		const page = await realTime.store.itemsInRealTime(of, after, PAGE);
		all.push(...page);
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) return all;
	}
}

/** Not what is wrong with the item: it would be wrong again. */
function mayGoAgain({ protocol, cancelAskedAtMs }: BatchRecord, result: ItemResult): boolean {
	return cancelAskedAtMs === null && result.kind === "errored" && judgeItemError(protocol, result).isWorthAnother;
}

function isSame(result: ItemResult, other: ItemResult): boolean {
	return result.kind === "errored" && other.kind === "errored" && result.httpStatus === other.httpStatus && result.body === other.body;
}

async function* eachOf(lines: readonly ResultLine[]): AsyncGenerator<ResultLine> {
	yield* lines;
}
