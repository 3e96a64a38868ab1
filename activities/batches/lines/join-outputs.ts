import { assert } from "#domain/assert.ts";
import { type ItemTry, itemOf } from "#domain/batching/attempt-of-item.ts";
import type { ItemCounts } from "#domain/batching/batch.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import type { LineForm } from "#domain/batching/line-problem.ts";
import { type OutputLine, outcomeOf, renderOutputLine } from "#domain/batching/render-output.ts";
import { FairTurns } from "./fair-turns.ts";
import { inBlocks } from "./in-blocks.ts";
import type { ItemEnding } from "./item-endings.ts";

/**
 * Results of all parts of a batch as one answer to its caller: every item once, under his own custom id, in no order. Parts are read twice,
 * first for which of an item's results counts, then to write it; what is remembered here is one byte an item.
 */
export type OutputsToJoin = Pick<ItemTry, "batchNumber" | "items"> & {
	/** As the caller knows it. */
	readonly batchId: string;
	readonly form: LineForm;
	/** In the order of the parts; each is opened once a pass. */
	readonly openParts: readonly (() => AsyncIterable<ResultLine>)[];
	/** That of item `n` at index `n - 1`. */
	readonly customIds: readonly string[];
	/** Is it what the item's row says came of it? Other results, of other tries or late ones, are not delivered. */
	isEnding(result: ItemEnding): boolean;
	/** How an item ended that no part has that result of; undefined: it has not ended, and is left out. */
	absent(n: number): "expired" | "cancelled" | "lost" | undefined;
};

export type JoinedOutputs = {
	/** Items with a line, by outcome; `open` are left out. */
	readonly counts: ItemCounts;
	/** Lines of results that name no item of this batch, or cannot be read. */
	readonly strangeLines: number;
	/**
	 * `output`: what succeeded, `errors`: everything else (OpenAI has a file for each); `results`: both (Anthropic). Each may be written any
	 * number of times.
	 */
	write(file: OutputFile): AsyncGenerator<Buffer>;
};

export type OutputFile = "output" | "errors" | "results";

/**
 * Of several results that are what the row says the one furthest on counts: an answer before an error, an error before an item that was not run. Of equals the
 * first. 0: none.
 */
const RANKS: Readonly<Record<ItemResult["kind"], number>> = { cancelled: 1, expired: 2, errored: 3, succeeded: 4 };
const IS_WRITTEN = 0x80;

/** Rejects as opening or reading a part does. */
export async function joinOutputs(outputs: OutputsToJoin): Promise<JoinedOutputs> {
	const { items, customIds } = outputs;
	assert(customIds.length === items, "every item of a batch has a custom id");
	const ranks = new Uint8Array(items + 1);
	let strangeLines = 0;
	for await (const found of eachResult(outputs)) {
		if (found === undefined) strangeLines += 1;
		else if (isEnding(outputs, found)) ranks[found.n] = Math.max(ranks[found.n] ?? 0, RANKS[found.result.kind]);
	}
	return {
		counts: countOutcomes(outputs, ranks),
		strangeLines,
		write: (file) => inBlocks(eachLine(outputs, ranks.slice(), file)),
	};
}

type Found = { readonly n: number; readonly tryNumber: number; readonly result: ItemResult };

function isEnding(outputs: OutputsToJoin, { n, tryNumber, result }: Found): boolean {
	return outputs.isEnding({ n, tryNumber, outcome: outcomeOf(result.kind) });
}

/** undefined for a line that stands for no item of this batch. */
async function* eachResult({ openParts, batchNumber, items }: OutputsToJoin): AsyncGenerator<Found | undefined> {
	const turns = new FairTurns();
	for (const open of openParts) {
		for await (const line of open()) {
			if (turns.isOver) await turns.next();
			const item = line.kind === "item" ? itemOf(line.customId, { batchNumber, items }) : undefined;
			yield line.kind === "item" && item !== undefined ? { ...item, result: line.result } : undefined;
		}
	}
}

function countOutcomes({ items, absent }: OutputsToJoin, ranks: Uint8Array): ItemCounts {
	const counts = { open: 0, succeeded: 0, errored: 0, expired: 0, cancelled: 0 };
	for (let n = 1; n <= items; n += 1) {
		const kind = kindOf(ranks[n] ?? 0) ?? absent(n);
		counts[kind === undefined ? "open" : outcomeOf(kind)] += 1;
	}
	return counts;
}

function kindOf(rank: number): ItemResult["kind"] | undefined {
	return (Object.keys(RANKS) as ItemResult["kind"][]).find((kind) => RANKS[kind] === rank);
}

async function* eachLine(outputs: OutputsToJoin, ranks: Uint8Array, file: OutputFile): AsyncGenerator<Buffer> {
	for await (const found of eachResult(outputs)) {
		if (found === undefined || ranks[found.n] !== RANKS[found.result.kind] || !isEnding(outputs, found)) continue;
		ranks[found.n] = IS_WRITTEN;
		if (isIn(file, found.result.kind)) yield render(outputs, found.n, found.result);
	}
	if (file === "output") return;
	for (let n = 1; n <= outputs.items; n += 1) {
		const kind = ranks[n] === 0 ? outputs.absent(n) : undefined;
		if (kind !== undefined) yield render(outputs, n, { kind });
	}
}

function isIn(file: OutputFile, kind: ItemResult["kind"]): boolean {
	return file === "results" || (kind === "succeeded") === (file === "output");
}

function render({ batchId, form, customIds }: OutputsToJoin, n: number, result: OutputLine["result"]): Buffer {
	const customId = customIds[n - 1];
	assert(customId !== undefined, `item ${n} has no custom id`);
	return Buffer.from(renderOutputLine({ id: `batch_req_${batchId.slice(batchId.indexOf("_") + 1)}_${n}`, customId, result }, form));
}
