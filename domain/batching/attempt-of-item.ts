/**
 * The money of a batch is held by a holder of its own in the authority: gateway id `batch<number>`, epoch 1. Every try of an item is an
 * attempt of it, `batch<number>-1-<try of item>`, which is also the `custom_id` under which the item goes to the provider (letters,
 * digits and hyphens, at most 64: what both accept). So a billed item in the provider's log names its ledger entry.
 */
export type ItemTry = {
	readonly batchNumber: string;
	/** Items of the batch. */
	readonly items: number;
	/** From 1. */
	readonly n: number;
	/** From 1; another one only after the one before is known not to be billed. */
	readonly tryNumber: number;
};

export const BATCH_EPOCH = 1n;

export function holderOf(batchNumber: string): string {
	return `batch${batchNumber}`;
}

export function attemptIdOf({ batchNumber, items, n, tryNumber }: ItemTry): string {
	return `${holderOf(batchNumber)}-${BATCH_EPOCH}-${n + items * (tryNumber - 1)}`;
}

const PATTERN = /^batch(\d{1,18})-1-(\d{1,15})$/;

/** undefined for what no item of this batch can be called. */
export function itemOf(customId: string, { batchNumber, items }: Pick<ItemTry, "batchNumber" | "items">): Pick<ItemTry, "n" | "tryNumber"> | undefined {
	const [, number, place] = PATTERN.exec(customId) ?? [];
	if (number !== batchNumber || place === undefined || String(Number(place)) !== place || Number(place) < 1) return undefined;
	const at = Number(place) - 1;
	return { n: (at % items) + 1, tryNumber: Math.floor(at / items) + 1 };
}
