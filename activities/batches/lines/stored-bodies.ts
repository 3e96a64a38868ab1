import { assert } from "#domain/assert.ts";
import { bodyOfLine } from "#domain/batching/check-line.ts";
import { FairTurns } from "./fair-turns.ts";
import { type LineLimits, readLines } from "./read-lines.ts";

type Placed = { readonly n: number };

/** A body is good until the next one is asked for: it may be a view of what was read. */
export type StoredBody<Item extends Placed> = { readonly item: Item; readonly body: Buffer };

/**
 * Bodies of these items, which stand in order of `n`, each once, out of the batch as it was stored, which is read as far as the last of them. Throws
 * InvariantViolation where the batch has no such item: what is stored was checked, and does not change.
 */
export async function* storedBodies<Item extends Placed>(
	stored: AsyncIterable<Uint8Array>,
	items: readonly Item[],
	limits: LineLimits,
): AsyncGenerator<StoredBody<Item>> {
	const turns = new FairTurns();
	let next = 0;
	if (items.length === 0) return;
	for await (const read of readLines(stored, limits)) {
		if (turns.isOver) await turns.next();
		const item = items[next];
		assert(item !== undefined && item.n >= read.line, "items of a part stand in order, each once");
		if (item.n !== read.line) continue;
		const body = read.kind === "line" ? bodyOfLine(read.bytes) : undefined;
		assert(body !== undefined, `line ${read.line} of the stored batch is no request`);
		yield { item, body };
		next += 1;
		if (next === items.length) return;
	}
	assert(false, `the stored batch ends before item ${items[next]?.n}`);
}
