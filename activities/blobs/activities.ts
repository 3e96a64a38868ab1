import { type BlobRetention, fateOfBlob } from "#domain/blobs/retention.ts";
import { asActivity } from "../shared/activity-errors.ts";
import type { SweepableBlobStore } from "./blob-store.ts";

/** `isDone` false: as many were deleted as were to be at most, and there may be more. */
export type SweptBlobs = { readonly deleted: number; readonly leftoversRemoved: number; readonly isDone: boolean };

export type BlobSweepDependencies = {
	readonly store: Pick<SweepableBlobStore, "list" | "delete" | "removeLeftovers">;
	readonly retention: BlobRetention;
	readonly wallClockMs: () => number;
	/** Of bodies of requests that were handed in alone: those that are still to be answered. Rejects where nobody can say. */
	readonly neededBodies: (keys: readonly string[]) => Promise<ReadonlySet<string>>;
};

const DELETED_AT_ONCE = 8;
const BODIES_ASKED_AT_ONCE = 500;
/** A write that goes on touches what it has written; no upload pauses for a day. */
const LEFTOVER_MS = 86_400_000;

/** Idempotent: what another sweep has deleted meanwhile is gone, and a sweep that failed halfway is done by the next. */
export function createBlobActivities(dependencies: BlobSweepDependencies) {
	return {
		/** Deletes blobs past their retention, at most `most`. */
		sweepBlobs: (input: { readonly most: number }): Promise<SweptBlobs> => asActivity(() => sweepBlobs(dependencies, input.most)),
	};
}

async function sweepBlobs(dependencies: BlobSweepDependencies, most: number): Promise<SweptBlobs> {
	const { store } = dependencies;
	const leftoversRemoved = await store.removeLeftovers(LEFTOVER_MS);
	let deleted = 0;
	const due: string[] = [];
	const deleteDue = async (): Promise<void> => {
		await Promise.all(due.map((key) => store.delete(key)));
		deleted += due.splice(0).length;
	};
	for await (const key of dueKeys(dependencies)) {
		due.push(key);
		if (due.length < Math.min(DELETED_AT_ONCE, most - deleted)) continue;
		await deleteDue();
		if (deleted === most) return { deleted, leftoversRemoved, isDone: false };
	}
	await deleteDue();
	return { deleted, leftoversRemoved, isDone: true };
}

async function* dueKeys({ store, retention, wallClockMs, neededBodies }: BlobSweepDependencies): AsyncGenerator<string> {
	const nowMs = wallClockMs();
	let bodies: string[] = [];
	const unneeded = async (): Promise<readonly string[]> => {
		const asked = bodies;
		bodies = [];
		const needed = await neededBodies(asked);
		return asked.filter((key) => !needed.has(key));
	};
	for await (const blob of store.list("")) {
		const fate = fateOfBlob(blob, nowMs, retention);
		if (fate === "past") yield blob.key;
		else if (fate === "past_unless_needed") bodies.push(blob.key);
		if (bodies.length >= BODIES_ASKED_AT_ONCE) yield* await unneeded();
	}
	if (bodies.length > 0) yield* await unneeded();
}
