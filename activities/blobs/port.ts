/**
 * Where payloads of batches lie: request files, bodies, results. Streams in and out; nothing of it is ever held whole in memory, and
 * nothing of it enters a workflow history. Keys are made by us: names of A-Z a-z 0-9 . _ - joined by "/", at most 512 characters,
 * the first of them the team (`<team>/batches/<batch id>/part-1.jsonl`).
 *
 * Encrypted at rest with the team's key where one is configured; what was written under an earlier key stays readable as long as that
 * key is configured. Errors are CostControlError: "blob.missing" (never written, or past its retention), "blob.damaged" (fails its
 * authentication, or is shorter than written), "blob.unreachable" (retryable), "blob.key_missing" (its team's key is not configured here).
 */
export type BlobStore = {
	/** Writes whole or not at all: nobody reads half a blob, and a crash leaves none. A second write of a key replaces the first. */
	write(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenBlob>;
	/** From `startByte` (default 0) of the plain bytes; rejects with the first read where the blob is missing. */
	read(key: string, startByte?: number): AsyncIterable<Uint8Array>;
	/** undefined where there is none. */
	describe(key: string): Promise<WrittenBlob | undefined>;
	/** Does nothing where there is none. */
	delete(key: string): Promise<void>;
	/** Keys below `prefix` (which ends with "/", or is "" for all), with when they were written; for the sweep of what outlived its retention. */
	list(prefix: string): AsyncIterable<{ readonly key: string; readonly writtenAtMs: number }>;
};

/** `bytes` and `sha256` (hex) of the plain bytes. */
export type WrittenBlob = { readonly bytes: number; readonly sha256: string };
