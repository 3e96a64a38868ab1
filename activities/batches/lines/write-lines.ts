import { assert } from "#domain/assert.ts";
import { attemptIdOf, type ItemTry } from "#domain/batching/attempt-of-item.ts";
import type { BatchScope } from "#domain/batching/batch.ts";
import { bodyOfLine } from "#domain/batching/check-line.ts";
import { renderLine, withModel } from "#domain/batching/render-line.ts";
import { FairTurns } from "./fair-turns.ts";
import { inBlocks } from "./in-blocks.ts";
import { type LineLimits, readLines } from "./read-lines.ts";

/** What one part of a batch carries, and how its provider is to be told. */
export type PartToWrite = LineLimits &
	Pick<BatchScope, "protocol" | "endpoint"> &
	Pick<ItemTry, "batchNumber" | "items"> & {
		/** Model id of the deployment. */
		readonly deploymentModel: string;
		/** In order of `n`, each once. */
		readonly tries: readonly Pick<ItemTry, "n" | "tryNumber">[];
	};

/**
 * The lines of a part in the provider's form, out of the batch as it was stored, which is read as far as the last of them. Throws
 * InvariantViolation where the batch has no such item: what is stored was checked, and does not change.
 */
export function writeLines(stored: AsyncIterable<Uint8Array>, part: PartToWrite): AsyncGenerator<Buffer> {
	return inBlocks(eachLine(stored, part));
}

async function* eachLine(stored: AsyncIterable<Uint8Array>, part: PartToWrite): AsyncGenerator<Buffer> {
	const { protocol, endpoint, batchNumber, items, tries, deploymentModel } = part;
	const turns = new FairTurns();
	let next = 0;
	if (tries.length === 0) return;
	for await (const read of readLines(stored, part)) {
		if (turns.isOver) await turns.next();
		const wanted = tries[next];
		assert(wanted !== undefined && wanted.n >= read.line, "items of a part stand in order, each once");
		if (wanted.n !== read.line) continue;
		const body = read.kind === "line" ? bodyOfLine(read.bytes) : undefined;
		assert(body !== undefined, `line ${read.line} of the stored batch is no request`);
		yield renderLine({ customId: attemptIdOf({ batchNumber, items, ...wanted }), body: withModel(body, deploymentModel), protocol, endpoint });
		next += 1;
		if (next === tries.length) return;
	}
	assert(false, `the stored batch ends before item ${tries[next]?.n}`);
}
