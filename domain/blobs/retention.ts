import { type BlobPurpose, purposeOfBlob } from "./blob-key.ts";

/**
 * How long blobs are kept. Their time runs from when they were written, by purpose where one has a time of its own; it is the last resort
 * for payloads that nobody deleted, not the only end of them.
 */
export type BlobRetention = {
	readonly keptDays: number;
	readonly keptDaysByPurpose: Readonly<Partial<Record<BlobPurpose, number>>>;
};

const DAY_MS = 86_400_000;

/** A blob written in the future, by a clock that was wrong then or is now, is kept. */
export function isPastRetention(blob: { readonly key: string; readonly writtenAtMs: number }, nowMs: number, retention: BlobRetention): boolean {
	const purpose = purposeOfBlob(blob.key);
	const keptDays = (purpose === undefined ? undefined : retention.keptDaysByPurpose[purpose]) ?? retention.keptDays;
	return nowMs - blob.writtenAtMs > keptDays * DAY_MS;
}
