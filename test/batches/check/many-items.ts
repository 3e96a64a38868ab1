import { Broken } from "#test/govern/broken.ts";

export type ManyItemsInput = { readonly items: number; readonly seed: number; readonly folder: string; onProgress(line: string): void };

/** One batch of very many items. */
export async function measureManyItems({ items }: ManyItemsInput): Promise<Record<string, unknown>> {
	throw new Broken(`not yet: ${items} items`);
}
