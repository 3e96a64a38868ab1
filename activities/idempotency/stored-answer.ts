import type { StoredAnswer } from "./port.ts";

/** One line of JSON, then the body: what is encrypted. */

type Head = Omit<StoredAnswer, "body" | "clampedOutputTokens"> & { readonly clampedOutputTokens?: number };

export function encodeStoredAnswer({ body, ...head }: StoredAnswer): Buffer {
	return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
}

/** Reads only what `encodeStoredAnswer` wrote: the cipher has proven it. */
export function decodeStoredAnswer(bytes: Buffer): StoredAnswer {
	const headBytes = bytes.indexOf("\n");
	const head = JSON.parse(bytes.toString("utf8", 0, headBytes)) as Head;
	return { ...head, clampedOutputTokens: head.clampedOutputTokens, body: bytes.subarray(headBytes + 1) };
}
