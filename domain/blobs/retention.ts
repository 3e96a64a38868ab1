import { type BlobPurpose, deferredOfBody, purposeOfBlob } from "./blob-key.ts";

/**
 * How long blobs are kept. Their time runs from when they were written, by purpose where one has a time of its own; it is the last resort
 * for payloads that nobody deleted, not the only end of them.
 */
export type BlobRetention = {
	readonly keptDays: number;
	readonly keptDaysByPurpose: Readonly<Partial<Record<BlobPurpose, number>>>;
};

const DAY_MS = 86_400_000;

/** Of a request that was handed in alone: by then it was accepted, or nobody will. */
const BODY_KEPT_DAYS = 1;

/** `past_unless_needed`: the body of a request that was handed in alone, which is needed until that has been answered. */
export type BlobFate = "kept" | "past" | "past_unless_needed";

/** A blob written in the future, by a clock that was wrong then or is now, is kept. */
export function fateOfBlob(blob: { readonly key: string; readonly writtenAtMs: number }, nowMs: number, retention: BlobRetention): BlobFate {
	const isOlderThan = (days: number): boolean => nowMs - blob.writtenAtMs > days * DAY_MS;
	if (deferredOfBody(blob.key) !== undefined) return isOlderThan(BODY_KEPT_DAYS) ? "past_unless_needed" : "kept";
	const purpose = purposeOfBlob(blob.key);
	return isOlderThan((purpose === undefined ? undefined : retention.keptDaysByPurpose[purpose]) ?? retention.keptDays) ? "past" : "kept";
}
