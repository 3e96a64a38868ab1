/**
 * Cuts the items of a batch into parts that the provider takes, in the order they came: a part is closed by the first item that would pass a
 * limit, so there are as few parts as that order allows. Items come one after the other; nothing is kept of them but sums.
 */
export type PartLimits = {
	readonly itemsMax: number;
	/** Of the whole request file or body. */
	readonly bytesMax: number;
	/** Of embeddings: inputs of all items together; undefined = no such limit. */
	readonly embeddingInputsMax: number | undefined;
	/** Input tokens of prompts waiting at the provider; undefined = no such limit. */
	readonly enqueuedTokensMax: number | undefined;
	/** What stands around a body in its line: custom id, method, url, newline or comma. The most it can be. */
	readonly itemOverheadBytes: number;
};

/** Around a body in its line: our id, method, url, names and commas. */
export const LINE_OVERHEAD_BYTES = 256;

export type PartItem = {
	/** Of the body as it will be sent. */
	readonly bytes: number;
	/** Of its bound. */
	readonly boundInputTokens: number;
	/** Texts in one embeddings request; default 1. */
	readonly embeddingInputs?: number;
};

export type LimitName = "items" | "bytes" | "embedding_inputs" | "enqueued_tokens";

/** A limit that an item passes by itself: no batch can carry it. */
export type PassedLimit = { readonly limit: LimitName; readonly amount: number; readonly amountMax: number };

/** `part` from 1. */
export type Placement = { readonly kind: "placed"; readonly part: number; readonly isFirst: boolean } | ({ readonly kind: "too_large" } & PassedLimit);

export type PartSums = Readonly<Record<LimitName, number>>;

const EMPTY: PartSums = { items: 0, bytes: 0, embedding_inputs: 0, enqueued_tokens: 0 };

/** undefined: a batch can carry it. Of several limits the first in the order of `LimitName`. */
export function limitPassedBy(item: PartItem, limits: PartLimits): PassedLimit | undefined {
	return firstPassed(withItem(EMPTY, item, limits), limits);
}

export class PartCutter {
	readonly #limits: PartLimits;
	#part = 0;
	#sums: PartSums = EMPTY;

	constructor(limits: PartLimits) {
		this.#limits = limits;
	}

	/** Of the part that is open; zero before the first item. */
	get sums(): PartSums {
		return this.#sums;
	}

	/** An item that is too large leaves the open part as it was. */
	place(item: PartItem): Placement {
		const passedAlone = limitPassedBy(item, this.#limits);
		if (passedAlone !== undefined) return { kind: "too_large", ...passedAlone };
		const together = withItem(this.#sums, item, this.#limits);
		const isFirst = this.#part === 0 || firstPassed(together, this.#limits) !== undefined;
		if (isFirst) this.#part += 1;
		this.#sums = isFirst ? withItem(EMPTY, item, this.#limits) : together;
		return { kind: "placed", part: this.#part, isFirst };
	}
}

export type SplitItems<Item> = {
	readonly parts: readonly (readonly Item[])[];
	readonly tooLarge: readonly ({ readonly item: Item } & PassedLimit)[];
};

/** For as many items as fit in memory; `PartCutter` for streams. */
export function splitIntoParts<Item extends PartItem>(items: Iterable<Item>, limits: PartLimits): SplitItems<Item> {
	const cutter = new PartCutter(limits);
	const parts: Item[][] = [];
	const tooLarge: ({ readonly item: Item } & PassedLimit)[] = [];
	for (const item of items) {
		const placed = cutter.place(item);
		if (placed.kind === "too_large") tooLarge.push({ item, limit: placed.limit, amount: placed.amount, amountMax: placed.amountMax });
		else if (placed.isFirst) parts.push([item]);
		else parts.at(-1)?.push(item);
	}
	return { parts, tooLarge };
}

function withItem(sums: PartSums, item: PartItem, { itemOverheadBytes }: PartLimits): PartSums {
	return {
		items: sums.items + 1,
		bytes: sums.bytes + item.bytes + itemOverheadBytes,
		embedding_inputs: sums.embedding_inputs + (item.embeddingInputs ?? 1),
		enqueued_tokens: sums.enqueued_tokens + item.boundInputTokens,
	};
}

function firstPassed(sums: PartSums, limits: PartLimits): PassedLimit | undefined {
	if (sums.items > limits.itemsMax) return { limit: "items", amount: sums.items, amountMax: limits.itemsMax };
	if (sums.bytes > limits.bytesMax) return { limit: "bytes", amount: sums.bytes, amountMax: limits.bytesMax };
	const { embeddingInputsMax, enqueuedTokensMax } = limits;
	if (embeddingInputsMax !== undefined && sums.embedding_inputs > embeddingInputsMax)
		return { limit: "embedding_inputs", amount: sums.embedding_inputs, amountMax: embeddingInputsMax };
	if (enqueuedTokensMax !== undefined && sums.enqueued_tokens > enqueuedTokensMax)
		return { limit: "enqueued_tokens", amount: sums.enqueued_tokens, amountMax: enqueuedTokensMax };
	return undefined;
}
