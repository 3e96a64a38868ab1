import { randomBytes } from "node:crypto";
import type { Protocol } from "#domain/pricing/price-book.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const NAME_LENGTH = 24;
/** Bytes from here on would make some letters likelier than others. */
const BYTES_BELOW = 256 - (256 % LETTERS.length);

/** Ids as callers see them (domain/batching/batch.ts): 142 bits, so that one can be neither guessed nor given twice. */
export function newFileId(): string {
	return `file-${newName()}`;
}

export function newBatchId(protocol: Protocol): string {
	return `${protocol === "openai" ? "batch" : "msgbatch"}_${newName()}`;
}

export function newDeferredId(): string {
	return `deferred_${newName()}`;
}

/** The same id for the same bytes; at least 24 of them. */
export function deferredIdOf(digest: Uint8Array): string {
	return `deferred_${Array.from(digest.subarray(0, NAME_LENGTH), (byte) => LETTERS[byte % LETTERS.length]).join("")}`;
}

function newName(): string {
	let name = "";
	while (name.length < NAME_LENGTH) {
		for (const byte of randomBytes(NAME_LENGTH)) {
			if (byte < BYTES_BELOW && name.length < NAME_LENGTH) name += LETTERS[byte % LETTERS.length];
		}
	}
	return name;
}
