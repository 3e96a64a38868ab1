import { itemOf } from "#domain/batching/attempt-of-item.ts";
import { answerOf, type ItemAnswer, unansweredOf } from "#domain/batching/item-answer.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { outcomeOf } from "#domain/batching/render-output.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { AnswerToDeliver } from "../deferred-port.ts";
import type { BatchJobDependencies, Reading } from "../job/job-port.ts";
import { readBatch, readingsOf } from "../job/job-rows.ts";
import { FairTurns } from "../lines/fair-turns.ts";
import type { BatchRecord } from "../port.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { type FoundResult, LastErrors } from "./last-errors.ts";

/** How many are asked for, and marked, at once. */
const PAGE = 500;

type DeliveryDependencies = Pick<BatchJobDependencies, "store" | "lines" | "observer">;

/**
 * Writes what became of each item that was handed in alone and has ended to where its caller reads it. Kept results are read once, those of the
 * parts that ended items last first, and no further than the last answer that is looked for. An answer is written before it is told of, so
 * that what is cut anywhere is done again.
 */
export async function deliverAnswers(dependencies: DeliveryDependencies, batchId: string): Promise<void> {
	const batch = await readBatch(dependencies.store, batchId);
	if (batch.origin !== "collected") return;
	const awaited = await awaitedOf(dependencies, batchId);
	if (awaited.size === 0) return;
	const writer = new AnswerWriter(dependencies, batch, PAGE);
	try {
		for await (const { item, answer } of answersOf(dependencies, batch, awaited)) await writer.write(item, answer);
		await writer.finish();
	} finally {
		await writer.settled();
	}
}

async function awaitedOf({ store }: DeliveryDependencies, batchId: string): Promise<Map<number, AnswerToDeliver>> {
	const awaited = new Map<number, AnswerToDeliver>();
	for (let after = 0; ; ) {
		const page = await store.unanswered(batchId, after, PAGE);
		for (const item of page) awaited.set(item.n, item);
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) return awaited;
	}
}

type Answered = { readonly item: AnswerToDeliver; readonly answer: ItemAnswer };

/** Of each that is awaited; of those without a result last. */
async function* answersOf(dependencies: DeliveryDependencies, batch: BatchRecord, awaited: Map<number, AnswerToDeliver>): AsyncGenerator<Answered> {
	const lastErrors = new LastErrors();
	const parts = new Set([...awaited.values()].map(({ part }) => part ?? 0));
	for (const reading of (await readingsOf(dependencies, batch)).toSorted(byLikelihood(parts))) {
		for await (const line of keptLinesOf(dependencies, batch, reading)) {
			const found = findIn(line, batch, awaited);
			if (found === undefined) continue;
			const { item, result } = found;
			if (!isEnding(found)) {
				lastErrors.note(found);
				continue;
			}
			awaited.delete(item.n);
			yield { item, answer: answerOf(result, batch.protocol) };
			if (awaited.size === 0) return;
		}
	}
	for (const item of awaited.values()) {
		const lastError = lastErrors.of(item);
		yield { item, answer: lastError === undefined ? unansweredOf(item.outcome, batch.protocol) : answerOf(lastError, batch.protocol) };
	}
}

/** Those of the named parts first, and of each the newest. */
function byLikelihood(parts: ReadonlySet<number>): (left: Reading, right: Reading) => number {
	return (left, right) => Number(parts.has(right.part)) - Number(parts.has(left.part)) || right.part - left.part || right.reading - left.reading;
}

/** What cannot be read for good is left out: others' answers do not wait for it. */
export async function* keptLinesOf(
	{ lines, observer }: Pick<DeliveryDependencies, "lines" | "observer">,
	batch: BatchRecord,
	reading: Reading,
): AsyncGenerator<ResultLine> {
	const turns = new FairTurns();
	try {
		for await (const line of lines.readResults(batch, reading)) {
			if (turns.isOver) await turns.next();
			yield line;
		}
	} catch (error) {
		if (!(error instanceof CostControlError && (error.code === "blob.missing" || error.code === "blob.damaged"))) throw error;
		observer.resultsUnreadable(batch.batchId, error);
	}
}

function findIn(line: ResultLine, batch: BatchRecord, awaited: ReadonlyMap<number, AnswerToDeliver>): FoundResult | undefined {
	if (line.kind !== "item") return undefined;
	const named = itemOf(line.customId, { batchNumber: batch.number, items: batch.items });
	const item = named === undefined ? undefined : awaited.get(named.n);
	return named === undefined || item === undefined ? undefined : { item, tryNumber: named.tryNumber, result: line.result };
}

/** Only what ended the item is its answer: not what came of another of its tries, nor what was said of it when it had been given up. */
function isEnding({ item, tryNumber, result }: FoundResult): boolean {
	return item.tryNumber === tryNumber && item.outcome === outcomeOf(result.kind);
}
