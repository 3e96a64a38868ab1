import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import type { JobStore } from "./job-port.ts";

/** A part is called by one activity after another; what is more urgent and comes later has a part of its own sooner. */
const PART_ITEMS_MAX = 1_000;
const WRITES_MAX = 5;

export type ItemsInRealTime = {
	readonly store: JobStore;
	readonly batch: BatchRecord;
	/** Most urgent first. */
	readonly items: readonly { readonly n: number; readonly bytes: number }[];
	/** They are carried by another part, which goes on, and held twice. */
	readonly isBeside: boolean;
	/** Items that can still go, read anew. */
	readonly stillThere: () => Promise<ReadonlySet<number>>;
};

/** Parts in real time, which need no request file. Answers the numbers of the items that they carry: one that ended meanwhile is left out. */
export async function writeRealTimeParts({ store, batch, items, isBeside, stillThere }: ItemsInRealTime): Promise<readonly number[]> {
	const { batchId } = batch;
	const carried: number[] = [];
	let part = await nextPart(store, batchId);
	for (let from = 0; from < items.length; from += PART_ITEMS_MAX) {
		const written = await writeUnlessGone(store, batch, {
			items: items.slice(from, from + PART_ITEMS_MAX),
			stillThere,
			write: async (chunk) => {
				const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
				const bytes = chunk.reduce((sum, item) => sum + item.bytes, 0);
				const record = { batchId, part, token: `tollgate-${batchId}-${part}`, items: chunk.length, bytes, ...nothing };
				await store.writePart(
					{ ...record, lane: "real_time", isBeside },
					chunk.map(({ n }) => n),
				);
			},
		});
		if (written.length > 0) part++;
		carried.push(...written.map(({ n }) => n));
	}
	return carried;
}

export async function nextPart(store: Pick<JobStore, "parts">, batchId: string): Promise<number> {
	return Math.max(0, ...(await store.parts(batchId)).map((record) => record.part)) + 1;
}

type Write<Item> = {
	readonly items: readonly Item[];
	readonly stillThere: () => Promise<ReadonlySet<number>>;
	/** Refuses as "internal.invariant" where one of them is not free any more. */
	readonly write: (items: readonly Item[]) => Promise<void>;
};

/** An item may be cancelled, or end, between reading and writing: then the rest is written. None, where the batch is to end. */
export async function writeUnlessGone<Item extends { readonly n: number }>(
	store: Pick<JobStore, "read">,
	{ batchId }: BatchRecord,
	{ items, stillThere, write }: Write<Item>,
): Promise<readonly Item[]> {
	let left = items;
	for (let attempt = 1; left.length > 0; attempt++) {
		try {
			await write(left);
			return left;
		} catch (error) {
			if (!(error instanceof CostControlError && error.code === "internal.invariant") || attempt >= WRITES_MAX) throw error;
			const state = (await store.read(batchId))?.state;
			if (state !== "held" && state !== "running") return [];
			const there = await stillThere();
			const next = left.filter(({ n }) => there.has(n));
			// Nobody took one away: it was refused for something else.
			if (next.length === left.length) throw error;
			left = next;
		}
	}
	return left;
}
