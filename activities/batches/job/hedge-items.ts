import { planHedge } from "#domain/batching/hedge.ts";
import type { StepOutcome } from "#domain/batching/job-reducer.ts";
import { REAL_TIME_RATE } from "#domain/batching/pressure.ts";
import type { BatchJobDependencies } from "./job-port.ts";
import { readBatch } from "./job-rows.ts";
import { REAL_TIME_TIMES } from "./real-time-times.ts";
import { writeRealTimeParts } from "./write-real-time.ts";

/**
 * Items that their batch does not bring in time go in real time beside it, where their bound is held once more: it may bring them all the same, and is
 * paid for that. Whoever has no money for it is left with the batch.
 */
export async function hedgeItems(dependencies: BatchJobDependencies, batchId: string): Promise<StepOutcome> {
	const { store, realTime } = dependencies;
	const { realTimeP99Ms, marginMs } = { ...REAL_TIME_TIMES, ...realTime.times };
	const batch = await readBatch(store, batchId);
	const waiting = await realTime.store.waitingInBatches(batchId);
	const conditions = { nowMs: realTime.wallClockMs(), realTimeP99Ms, marginMs, itemsPerSecond: REAL_TIME_RATE.itemsPerSecond };
	const { due } = planHedge(waiting, conditions);
	if (due.length === 0 || batch.cancelAskedAtMs !== null) return { kind: "hedged", sent: 0, refused: 0 };
	const held = new Set(
		await realTime.store.holdMore(
			batchId,
			due.map(({ n }) => n),
			{ waitIsOver: true },
		),
	);
	const going = due.filter(({ n }) => held.has(n)).map(({ n }) => ({ n, bytes: 0 }));
	const stillThere = async () => new Set((await realTime.store.waitingInBatches(batchId)).map(({ n }) => n));
	const sent = await writeRealTimeParts({ store, batch, items: going, isBeside: true, stillThere });
	return { kind: "hedged", sent: sent.length, refused: due.length - going.length };
}
