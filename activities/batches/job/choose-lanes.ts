import { chooseCallerLane, chooseLane, type LaneChoice } from "#domain/batching/choose-lane.ts";
import { LINE_OVERHEAD_BYTES, PartCutter } from "#domain/batching/split-parts.ts";
import type { BatchRecord, ItemToSend } from "../port.ts";
import type { BatchJobDependencies } from "./job-port.ts";
import { readBatch } from "./job-rows.ts";
import { providerOf, writePart } from "./job-submit.ts";
import { failedLast, readRunTries } from "./kept-tries.ts";
import { REAL_TIME_TIMES } from "./real-time-times.ts";
import { nextPart, writeRealTimeParts, writeUnlessGone } from "./write-real-time.ts";

const PAGE = 5_000;
const BOOKED_AT_ONCE = 500;
/** Of an account that runs no batches. */
const NO_LIMITS = { itemsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER, embeddingInputsMax: undefined, enqueuedTokensMax: undefined };

type Chosen = Readonly<Record<LaneChoice, ItemToSend[]>>;

/** Every item that waits goes with a batch, or in real time, or ends: parts are written for those that go. */
export async function chooseLanes(dependencies: BatchJobDependencies, batchId: string): Promise<void> {
	const { store } = dependencies;
	const batch = await readBatch(store, batchId);
	const stillThere = async () => new Set((await itemsToSend(dependencies, batchId)).map(({ n }) => n));
	const { batch: withBatch, real_time: inRealTime, end } = await (batch.origin === "caller" ? chooseOfCaller : choose)(dependencies, batch);
	// What nobody runs any more is not billed.
	const failed = await failedLast(dependencies, batch, end);
	const outcome = ({ n }: ItemToSend) => (failed.has(n) ? "errored" : "expired");
	const nothing = { costNanoUsd: null, costTokens: 0, usage: null, answeredModel: null, serviceTier: null, providerRequestId: null, httpStatus: null };
	for (let from = 0; from < end.length; from += BOOKED_AT_ONCE) {
		const ended = end.slice(from, from + BOOKED_AT_ONCE);
		await store.book(
			batchId,
			ended.map((item) => ({ n: item.n, tryNumber: item.tryNumber, outcome: outcome(item), ...nothing })),
		);
	}
	const urgent = inRealTime.toSorted((left, right) => (left.deadlineMs ?? Number.POSITIVE_INFINITY) - (right.deadlineMs ?? Number.POSITIVE_INFINITY));
	await writeRealTimeParts({ store, batch, items: urgent, isBeside: false, stillThere });
	await writeBatchParts(dependencies, batch, withBatch, stillThere);
}

async function choose(dependencies: BatchJobDependencies, batch: BatchRecord): Promise<Chosen> {
	const { realTime } = dependencies;
	const { realTimeP99Ms, marginMs } = { ...REAL_TIME_TIMES, ...realTime.times };
	const nowMs = realTime.wallClockMs();
	const [turnaround, costOf, lanes] = await Promise.all([
		realTime.turnarounds.estimate(batch, nowMs),
		realTime.openCosts(batch),
		realTime.store.lanesOfWaiting(batch.batchId),
	]);
	const provider = dependencies.providerOf(batch);
	const limits = { ...(provider?.limits ?? NO_LIMITS), itemOverheadBytes: LINE_OVERHEAD_BYTES };
	const conditions = { nowMs, turnaround, fillWaitMs: 0, realTimeP99Ms, marginMs, limits, mayBatch: provider !== undefined };
	const items = await itemsToSend(dependencies, batch.batchId);
	const ranOf = await readRunTries(dependencies, batch, items);
	const chosen: Chosen = { batch: [], real_time: [], end: [] };
	for (const item of items) {
		const { n, tryNumber, bytes, boundInputTokens, deadlineMs = null, mayGoRealTime = false, embeddingInputs } = item;
		const sizes = { bytes, boundInputTokens, ...(embeddingInputs !== undefined && { embeddingInputs }) };
		const asked = { ...sizes, ...costOf(item.boundNanoUsd), deadlineMs, mayGoRealTime, tries: tryNumber - 1, lastLane: lanes.get(n) ?? null };
		chosen[chooseLane(asked, conditions, ranOf(n))].push(item);
	}
	return chosen;
}

async function chooseOfCaller(dependencies: BatchJobDependencies, batch: BatchRecord): Promise<Chosen> {
	const { batchId, rules } = batch;
	const [items, lanes] = await Promise.all([itemsToSend(dependencies, batchId), dependencies.realTime.store.lanesOfWaiting(batchId)]);
	const ranOf = await readRunTries(dependencies, batch, items);
	const chosen: Chosen = { batch: [], real_time: [], end: [] };
	for (const item of items) {
		const asked = { tries: item.tryNumber - 1, lastLane: lanes.get(item.n) ?? null };
		chosen[chooseCallerLane(asked, rules, ranOf(item.n))].push(item);
	}
	return chosen;
}

async function itemsToSend({ store }: Pick<BatchJobDependencies, "store">, batchId: string): Promise<ItemToSend[]> {
	const all: ItemToSend[] = [];
	for (let after = 0; ; ) {
		const page = await store.itemsToSend(batchId, after, PAGE);
		all.push(...page);
		after = page.at(-1)?.n ?? after;
		if (page.length < PAGE) return all;
	}
}

async function writeBatchParts(
	dependencies: BatchJobDependencies,
	batch: BatchRecord,
	items: readonly ItemToSend[],
	stillThere: () => Promise<ReadonlySet<number>>,
): Promise<void> {
	if (items.length === 0) return;
	const { store } = dependencies;
	const cutter = new PartCutter({ ...providerOf(dependencies, batch).limits, itemOverheadBytes: LINE_OVERHEAD_BYTES });
	const chunks: ItemToSend[][] = [];
	for (const item of items) {
		const placed = cutter.place(item);
		if (placed.kind === "placed" && placed.isFirst) chunks.push([]);
		chunks.at(-1)?.push(item);
	}
	let part = await nextPart(store, batch.batchId);
	for (const chunk of chunks) {
		let isWritten = false;
		await writeUnlessGone(store, batch, {
			items: chunk,
			stillThere,
			write: async (left) => {
				isWritten = await writePart(dependencies, batch, part, left);
			},
		});
		if (isWritten) part++;
	}
}
