import type { BatchState } from "#domain/batching/batch.ts";
import { isCertain, type ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { movesToEnd } from "#domain/batching/job-plan.ts";
import type { StepOutcome } from "#domain/batching/job-reducer.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { deliverAnswers } from "../delivery/answers.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import { bookResults, bookUnrun, openItemsOf, unrunLineOf } from "./book-results.ts";
import {
	type BatchJobDependencies,
	type CancelPartInput,
	type CollectInput,
	type DropInput,
	type EndUnsentInput,
	type FinishInput,
	type PartInput,
	type Reading,
	SAID_BY,
} from "./job-port.ts";
import { lastReading, readBatch, readingsOf, readPart } from "./job-rows.ts";
import { messageOf, providerOf } from "./job-submit.ts";
import { readRunTries } from "./kept-tries.ts";
import { isKnownAsOthers, whoseResults } from "./whose-batch.ts";

/** How a part comes back: watched, read, booked, and closed with its batch. */
const DONE: StepOutcome = { kind: "done" };
const NOT_FOUND = 404;
const PAGE = 5_000;

type Lost = Extract<StepOutcome, { kind: "lost" }>;

export async function pollPart(dependencies: BatchJobDependencies, { batchId, part }: PartInput): Promise<StepOutcome> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, { batchId, part });
	const { providerBatchId, state } = record;
	if (providerBatchId === null || (state !== "running" && state !== "ended")) return DONE;
	if (await isKnownAsOthers(store, batch, record)) return { kind: "foreign", providerBatchId };
	const status = await unlessLost(() => providerOf(dependencies, batch).poll(providerBatchId));
	// Its owner may have read and deleted it since.
	if ("kind" in status) return (await isKnownAsOthers(store, batch, record)) ? { kind: "foreign", providerBatchId } : status;
	if (status.state === "ended" && state === "running") await store.movePart({ batchId, part }, "ended", { status });
	return { kind: "said", status };
}

export async function cancelPart(dependencies: BatchJobDependencies, { batchId, providerBatchId }: CancelPartInput): Promise<StepOutcome> {
	const batch = await readBatch(dependencies.store, batchId);
	const status = await unlessLost(() => providerOf(dependencies, batch).cancel(providerBatchId));
	return "kind" in status ? status : { kind: "said", status };
}

/** Reads what the provider says once, keeps it, and books from what was kept: so a crash between loses no answer and reads none twice. */
export async function collectPart(dependencies: BatchJobDependencies, input: CollectInput): Promise<StepOutcome> {
	const { store, lines } = dependencies;
	const { batchId, part, status, isLast, mayGoAgain } = input;
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, { batchId, part });
	if (record.state !== "running" && record.state !== "ended") return DONE;
	let said: AsyncIterable<ResultLine> = noLines();
	if (status !== null) {
		const { providerBatchId } = status;
		const reading = { part, reading: input.reading, providerBatchId };
		const lost = await keepResults(dependencies, batch, reading, status);
		if (lost !== undefined) return (await isKnownAsOthers(store, batch, record)) ? { kind: "foreign", providerBatchId } : lost;
		const whose = await whoseResults(dependencies, batch, reading);
		if (whose === "others") return { kind: "foreign", providerBatchId };
		// Before it is paid, and deleted at the provider: from then on no other part takes it for its own.
		if (whose === "ours" && !isCertain(record)) await store.movePart({ batchId, part }, record.state, { isCertain: true });
		said = lines.readResults(batch, reading);
	}
	const price = await dependencies.openPricing(batch);
	const runTries = (items: readonly ItemToSend[]) => readRunTries(dependencies, batch, items);
	const tally = await bookResults({ store, batch, part, lines: said, price, isLast, mayGoAgain, runTries });
	if (tally.unresolved > 0) await dependencies.raise({ kind: "batch.unresolved", batch, of: String(part), detail: { part, items: tally.unresolved } });
	if (tally.missing === 0 && tally.goAgain === 0) await closePart(dependencies, batch, { batchId, part }, status);
	return { kind: "collected", tally };
}

async function keepResults(dependencies: BatchJobDependencies, batch: BatchRecord, reading: Reading, status: ProviderBatchStatus): Promise<Lost | undefined> {
	const { lines } = dependencies;
	if (await lines.hasResults(batch, reading)) return undefined;
	const provider = providerOf(dependencies, batch);
	try {
		await lines.keepResults(batch, reading, provider.results(status));
		return undefined;
	} catch (error) {
		if (!(error instanceof CostControlError && error.code === "provider.results_gone")) throw error;
		return { kind: "lost", message: messageOf(error) };
	}
}

export async function tellLate({ store, raise }: BatchJobDependencies, batchId: string): Promise<void> {
	const batch = await readBatch(store, batchId);
	await raise({ kind: "batch.late", batch, detail: { open: batch.counts.open, amountNanoUsd: batch.heldNanoUsd } });
}

/** Once it has ended, what it billed is booked beside what its items cost: `BatchStore.book` tells doubles apart by their tries. */
export async function settleDouble(dependencies: BatchJobDependencies, { batchId, part, providerBatchId }: CancelPartInput): Promise<StepOutcome> {
	const { store, lines, openPricing } = dependencies;
	const batch = await readBatch(store, batchId);
	const provider = providerOf(dependencies, batch);
	const status = await unlessLost(() => provider.poll(providerBatchId));
	if ("kind" in status) return status;
	if (status.state !== "ended") return { kind: "said", status };
	// An item may end with it, and its answer is read from what is kept.
	const of = { part, providerBatchId: SAID_BY.double };
	const reading = { ...of, reading: (await lastReading(lines, batch, of)) + 1 };
	const lost = await keepResults(dependencies, batch, reading, status);
	if (lost !== undefined) return lost;
	const said = lines.readResults(batch, reading);
	const runTries = (items: readonly ItemToSend[]) => readRunTries(dependencies, batch, items);
	const price = await openPricing(batch);
	return { kind: "collected", tally: await bookResults({ store, batch, part, lines: said, price, isLast: false, mayGoAgain: true, runTries }) };
}

export async function sendAgain(dependencies: BatchJobDependencies, of: PartInput): Promise<void> {
	await dependencies.store.releaseItems(of, "again");
	await closePart(dependencies, await readBatch(dependencies.store, of.batchId), of, null);
}

/** What is said of its items is kept before they end, and the part is over only when they are: what was cut between is done again. */
export async function dropPart(dependencies: BatchJobDependencies, { batchId, part, as, problem }: DropInput): Promise<void> {
	const { store, lines } = dependencies;
	const of = { batchId, part };
	const batch = await readBatch(store, batchId);
	if (as !== "again") {
		if (!(await lines.hasResults(batch, { part, reading: 0 })))
			await lines.keepResults(
				batch,
				{ part, reading: 0 },
				linesOf(openItemsOf(store, of), (item) => unrunLineOf(item, batch, as, problem)),
			);
		if (problem !== null) await store.move(batchId, batch.state, { problem });
	}
	if (as === "errored") await bookUnrun({ store, batch }, as, (after, most) => store.itemsOfPart(of, after, most));
	else await store.releaseItems(of, as);
	await store.movePart(of, "failed", {});
}

export async function endUnsent({ store, lines }: BatchJobDependencies, { batchId, as, problem }: EndUnsentInput): Promise<void> {
	const batch = await readBatch(store, batchId);
	const unsent = { part: 0, reading: 0 } as const;
	if (!(await lines.hasResults(batch, unsent)))
		await lines.keepResults(
			batch,
			unsent,
			linesOf(itemsToSendOf({ store }, batchId), (item) => unrunLineOf(item, batch, as, problem)),
		);
	if (problem !== null) await store.move(batchId, batch.state, { problem });
	await bookUnrun({ store, batch }, as, (after, most) => store.itemsToSend(batchId, after, most));
}

async function* itemsToSendOf({ store }: Pick<BatchJobDependencies, "store">, batchId: string): AsyncGenerator<ItemToSend> {
	for (let after = 0; ; ) {
		const page = await store.itemsToSend(batchId, after, PAGE);
		yield* page;
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) return;
	}
}

async function* linesOf(items: AsyncIterable<ItemToSend>, lineOf: (item: ItemToSend) => ResultLine): AsyncGenerator<ResultLine> {
	for await (const item of items) yield lineOf(item);
}

/** Outputs first, money next, the state last: whoever sees the end sees all of it. */
export async function finishBatch(dependencies: BatchJobDependencies, { batchId, to, problem }: FinishInput): Promise<void> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	if (batch.counts.open > 0)
		throw new CostControlError("internal.invariant", `${batch.counts.open} items of ${batchId} have no outcome, and no part carries them`);
	for (const state of movesToEnd(batch.state, to)) {
		if (state === "running" || state === "cancelling" || state === "finalizing") {
			await store.move(batchId, state, {});
			continue;
		}
		const { outputFileId, errorFileId } = await bringOutputs(dependencies, batch, state);
		if (state === "failed") await dependencies.raise({ kind: "batch.failed", batch, detail: { items: batch.items, problem } });
		await dependencies.tellQuota(batch, null);
		await store.closeHold(batchId);
		await store.move(batchId, state, {
			...(problem !== null && { problem }),
			...(outputFileId !== null && { outputFileId }),
			...(errorFileId !== null && { errorFileId }),
		});
	}
}

type Outputs = { readonly outputFileId: string | null; readonly errorFileId: string | null };

/** To whom items were handed in alone each answer is delivered, also of a batch that failed; files are a caller's. */
async function bringOutputs(dependencies: BatchJobDependencies, batch: BatchRecord, state: BatchState): Promise<Outputs> {
	if (batch.origin === "collected") await deliverAnswers(dependencies, batch.batchId);
	if (batch.origin === "collected" || state === "failed") return { outputFileId: null, errorFileId: null };
	return dependencies.lines.joinOutputs(batch, await readingsOf(dependencies, batch));
}

/** Its results were read, so what lies at the provider is not needed; what cannot be removed ends there by itself. */
async function closePart(dependencies: BatchJobDependencies, batch: BatchRecord, of: PartInput, status: ProviderBatchStatus | null): Promise<void> {
	const { store, observer } = dependencies;
	const { state, providerFileId } = await readPart(store, of);
	if (state === "running") await store.movePart(of, "ended", {});
	await store.movePart(of, "collected", {});
	if (status === null) return;
	try {
		await providerOf(dependencies, batch).forget({ providerFileId, status });
	} catch (error) {
		observer.notForgotten(batch.batchId, error);
	}
}

async function unlessLost(ask: () => Promise<ProviderBatchStatus>): Promise<ProviderBatchStatus | Lost> {
	try {
		return await ask();
	} catch (error) {
		const isLost = error instanceof CostControlError && error.code === "provider.refused" && error.details["status"] === NOT_FOUND;
		if (!isLost) throw error;
		return { kind: "lost", message: messageOf(error) };
	}
}

async function* noLines(): AsyncGenerator<ResultLine> {
	// Nothing is said of anything.
}
