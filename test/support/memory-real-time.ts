import type { RealTimeDependencies } from "#activities/batches/job/real-time.ts";
import type { ItemRow, MemoryBatchStore } from "./memory-batches.ts";

type Of = { readonly batchId: string; readonly part: number };

/** What migrations/0028 does, over batches in memory. One worker at a time calls here, and nothing is held a second time. */
export function memoryRealTime(batches: MemoryBatchStore): RealTimeDependencies["store"] {
	const carried = ({ batchId, part }: Of, numbers?: readonly number[]): ItemRow[] =>
		batches.openItems(batchId).filter((item) => item.part === part && (numbers === undefined || numbers.includes(item.n)));
	return {
		claimPart: async () => 0,
		itemsInRealTime: async (of, after, most) =>
			carried(of)
				.filter(({ n }) => n > after)
				.slice(0, most)
				.map(({ n, tryNumber, customId, boundNanoUsd, bodyBlobKey = null, deadlineMs = null, sentTry }) => ({
					...{ n, tryNumber, customId, boundNanoUsd, bodyBlobKey, deadlineMs, isSent: sentTry === tryNumber, isSecondHeld: false },
				})),
		async markSent(of, _caller, numbers) {
			const marked = carried(of, numbers).filter(({ sentTry, tryNumber }) => sentTry !== tryNumber);
			for (const item of marked) item.sentTry = item.tryNumber;
			return marked.map(({ n }) => n);
		},
		async unmarkSent(of, numbers) {
			for (const item of carried(of, numbers)) delete item.sentTry;
		},
		async freeItems(of, tries) {
			for (const { n, tryNumber } of tries) for (const item of carried(of, [n])) if (item.tryNumber === tryNumber) item.part = null;
		},
		waitingInBatches: async () => [],
		lanesOfWaiting: async (batchId) =>
			new Map(batches.openItems(batchId).flatMap(({ n, part, lane }) => (part === null && lane !== undefined ? [[n, lane] as const] : []))),
		holdMore: async () => [],
	};
}
