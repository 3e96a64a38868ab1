import { attemptIdOf, type ItemTry } from "#domain/batching/attempt-of-item.ts";
import type { BatchScope } from "#domain/batching/batch.ts";
import { renderLine, withModel } from "#domain/batching/render-line.ts";
import { inBlocks } from "./in-blocks.ts";
import type { LineLimits } from "./read-lines.ts";
import { storedBodies } from "./stored-bodies.ts";

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
	for await (const { item, body } of storedBodies(stored, tries, part))
		yield renderLine({ customId: attemptIdOf({ batchNumber, items, ...item }), body: withModel(body, deploymentModel), protocol, endpoint });
}
