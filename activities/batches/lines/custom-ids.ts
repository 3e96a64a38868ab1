import { assert } from "#domain/assert.ts";
import { customIdOfLine } from "#domain/batching/check-line.ts";
import { FairTurns } from "./fair-turns.ts";
import { type LineLimits, readLines } from "./read-lines.ts";

/** The caller's custom ids of a stored batch: that of item `n` at index `n - 1`. At most 100,000 of at most 512 characters. */
export async function readCustomIds(stored: AsyncIterable<Uint8Array>, limits: LineLimits): Promise<readonly string[]> {
	const turns = new FairTurns();
	const customIds: string[] = [];
	for await (const read of readLines(stored, limits)) {
		if (turns.isOver) await turns.next();
		// At the end alone.
		if (read.kind === "empty") continue;
		const customId = read.kind === "line" ? customIdOfLine(read.bytes) : undefined;
		assert(customId !== undefined, `line ${read.line} of the stored batch has no custom_id`);
		customIds.push(customId);
	}
	return customIds;
}
