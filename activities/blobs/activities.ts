import { type BlobRetention, isPastRetention } from "#domain/blobs/retention.ts";
import { asActivity } from "../shared/activity-errors.ts";
import type { SweepableBlobStore } from "./blob-store.ts";

/** `isDone` false: as many were deleted as were to be at most, and there may be more. */
export type SweptBlobs = { readonly deleted: number; readonly leftoversRemoved: number; readonly isDone: boolean };

export type BlobSweepDependencies = {
	readonly store: Pick<SweepableBlobStore, "list" | "delete" | "removeLeftovers">;
	readonly retention: BlobRetention;
	readonly wallClockMs: () => number;
};

const DELETED_AT_ONCE = 8;
/** A write that goes on touches what it has written; no upload pauses for a day. */
const LEFTOVER_MS = 86_400_000;

/** Idempotent: what another sweep has deleted meanwhile is gone, and a sweep that failed halfway is done by the next. */
export function createBlobActivities(dependencies: BlobSweepDependencies) {
	return {
		/** Deletes blobs past their retention, at most `most`. */
		sweepBlobs: (input: { readonly most: number }): Promise<SweptBlobs> => asActivity(() => sweepBlobs(dependencies, input.most)),
	};
}

async function sweepBlobs({ store, retention, wallClockMs }: BlobSweepDependencies, most: number): Promise<SweptBlobs> {
	const leftoversRemoved = await store.removeLeftovers(LEFTOVER_MS);
	const nowMs = wallClockMs();
	let deleted = 0;
	const due: string[] = [];
	const deleteDue = async (): Promise<void> => {
		await Promise.all(due.map((key) => store.delete(key)));
		deleted += due.splice(0).length;
	};
	for await (const blob of store.list("")) {
		if (!isPastRetention(blob, nowMs, retention)) continue;
		due.push(blob.key);
		if (due.length < Math.min(DELETED_AT_ONCE, most - deleted)) continue;
		await deleteDue();
		if (deleted === most) return { deleted, leftoversRemoved, isDone: false };
	}
	await deleteDue();
	return { deleted, leftoversRemoved, isDone: true };
}
