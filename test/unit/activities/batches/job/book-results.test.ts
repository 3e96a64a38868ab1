import { expect, test } from "vitest";
import { bookResults } from "#activities/batches/job/book-results.ts";
import type { ItemResult, ResultLine } from "#domain/batching/item-result.ts";
import { priceOf } from "#test/support/batch-job-stand.ts";
import { MemoryBatchStore } from "#test/support/memory-batches.ts";

const succeeded: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: "r", body: '{"usage":1}' };
const withoutUsage: ItemResult = { kind: "succeeded", httpStatus: 200, requestId: "r", body: "{}" };
const overloaded: ItemResult = { kind: "errored", httpStatus: 529, requestId: null, body: '{"type":"error","error":{"type":"overloaded_error"}}' };
const expired: ItemResult = { kind: "expired" };
const line = (customId: string, result: ItemResult): ResultLine => ({ kind: "item", customId, result });

/** A part that carries all items of a batch. */
async function standOf(items: number) {
	const store = new MemoryBatchStore(() => 0);
	const batch = store.add({ batchId: "batch_1", protocol: "anthropic", items });
	const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
	const numbers = Array.from({ length: items }, (_, index) => index + 1);
	await store.writePart({ batchId: "batch_1", part: 1, token: "t", items, bytes: 1, ...nothing }, numbers);
	const book = (lines: ResultLine[], more: { isLast?: boolean; mayGoAgain?: boolean } = {}) =>
		bookResults({ store, batch, part: 1, lines: eachOf(lines), price: priceOf, isLast: false, mayGoAgain: false, ...more });
	return { store, book };
}

async function* eachOf(lines: ResultLine[]): AsyncGenerator<ResultLine> {
	yield* lines;
}

test("results out of order, doubled and of nobody: each item is booked once, and the rest is counted", async () => {
	const { store, book } = await standOf(3);
	const tally = await book([
		line("batch1-1-3", succeeded),
		line("batch1-1-1", succeeded),
		line("batch1-1-3", succeeded),
		line("batch9-1-1", succeeded),
		line("hello", succeeded),
		line("batch1-1-2", expired),
	]);
	expect(tally).toEqual({ booked: 3, goAgain: 0, missing: 0, unresolved: 0, unknown: 2, repeated: 1, unreadable: 0 });
	expect(store.outcomes("batch_1")).toEqual(["succeeded", "expired", "succeeded"]);
	expect(store.entries.map(({ attemptId }) => attemptId)).toEqual(["batch1-1-3", "batch1-1-1"]);
});

test("work that was paid for wins over a line that says it did not run, whichever comes first", async () => {
	const { store, book } = await standOf(2);
	const tally = await book([line("batch1-1-1", expired), line("batch1-1-1", succeeded), line("batch1-1-2", succeeded), line("batch1-1-2", expired)]);
	expect(tally).toMatchObject({ booked: 2, missing: 0, repeated: 1 });
	expect(store.outcomes("batch_1")).toEqual(["succeeded", "succeeded"]);
});

test("nothing is given back on the word of half a file: what is cut off may say that it ran after all", async () => {
	const { store, book } = await standOf(2);
	const cut: ResultLine = { kind: "unreadable", line: 3, problem: "is cut", start: "{" };
	expect(await book([line("batch1-1-1", succeeded), line("batch1-1-2", expired), cut])).toMatchObject({ booked: 1, missing: 1, unreadable: 1 });
	expect(store.outcomes("batch_1")).toEqual(["succeeded", null]);
	expect(await book([line("batch1-1-2", expired), line("batch1-1-2", succeeded)])).toMatchObject({ booked: 1, missing: 0 });
	expect(store.outcomes("batch_1")).toEqual(["succeeded", "succeeded"]);
});

test("what nothing is said of stays open, and is charged at its bound the last time", async () => {
	const { store, book } = await standOf(2);
	expect(await book([line("batch1-1-1", succeeded)])).toMatchObject({ booked: 1, missing: 1, unresolved: 0 });
	expect(await book([line("batch1-1-1", succeeded)], { isLast: true })).toMatchObject({ missing: 0, unresolved: 1 });
	expect(store.entries.map(({ costNanoUsd, reason }) => [costNanoUsd, reason])).toEqual([
		[40n, null],
		[100n, "unresolved"],
	]);
});

test("an answer without usage is charged at its bound", async () => {
	const { store, book } = await standOf(1);
	expect(await book([line("batch1-1-1", withoutUsage)])).toMatchObject({ booked: 1, unresolved: 1 });
	expect(store.entries).toMatchObject([{ costNanoUsd: 100n, reason: "unresolved" }]);
});

test("what did not run, or failed for reasons of the provider, may go again: once", async () => {
	const { store, book } = await standOf(3);
	const invalid: ItemResult = { kind: "errored", httpStatus: 400, requestId: null, body: '{"type":"error","error":{"type":"invalid_request_error"}}' };
	const lines = [line("batch1-1-1", expired), line("batch1-1-2", overloaded), line("batch1-1-3", invalid)];
	expect(await book(lines, { mayGoAgain: true })).toMatchObject({ booked: 1, goAgain: 2 });
	await store.releaseItems({ batchId: "batch_1", part: 1 }, "again");
	const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
	await store.writePart({ batchId: "batch_1", part: 2, token: "t2", items: 2, bytes: 1, ...nothing }, [1, 2]);
	const batch = await store.read("batch_1");
	if (batch === undefined) throw new Error("the batch is gone");
	const again = [line("batch1-1-4", expired), line("batch1-1-5", succeeded), line("batch1-1-1", succeeded)];
	const tally = await bookResults({ store, batch, part: 2, lines: eachOf(again), price: priceOf, isLast: false, mayGoAgain: true });
	// The first try of item 1 was billed after all, and ends it.
	expect(tally).toMatchObject({ goAgain: 0, missing: 0, repeated: 1 });
	expect(store.outcomes("batch_1")).toEqual(["succeeded", "succeeded", "errored"]);
});

test("what its second batch left undone too has ended", async () => {
	const { store, book } = await standOf(2);
	expect(await book([line("batch1-1-1", expired), line("batch1-1-2", overloaded)], { mayGoAgain: true })).toMatchObject({ booked: 0, goAgain: 2 });
	await store.releaseItems({ batchId: "batch_1", part: 1 }, "again");
	const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
	await store.writePart({ batchId: "batch_1", part: 2, token: "t2", items: 2, bytes: 1, ...nothing }, [1, 2]);
	const batch = await store.read("batch_1");
	if (batch === undefined) throw new Error("the batch is gone");
	const again = [line("batch1-1-3", expired), line("batch1-1-4", overloaded)];
	const tally = await bookResults({ store, batch, part: 2, lines: eachOf(again), price: priceOf, isLast: false, mayGoAgain: true });
	expect(tally).toMatchObject({ booked: 2, goAgain: 0, missing: 0 });
	expect(store.outcomes("batch_1")).toEqual(["expired", "errored"]);
	expect(store.entries).toEqual([]);
});

test("more than fit one booking are booked in chunks, and a second reading books nothing twice", async () => {
	const { store, book } = await standOf(1_201);
	const lines = Array.from({ length: 1_201 }, (_, index) => line(`batch1-1-${index + 1}`, succeeded));
	expect(await book(lines)).toMatchObject({ booked: 1_201, missing: 0 });
	expect(await book(lines)).toMatchObject({ booked: 0, repeated: 1_201 });
	expect(store.entries).toHaveLength(1_201);
});

test("what may go in real time has a third try", async () => {
	const store = new MemoryBatchStore(() => 0);
	const batch = store.add({ batchId: "batch_1", protocol: "anthropic", items: 1, rules: { mayResubmit: true, mayRelane: true } });
	const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
	for (const [part, goAgain] of [
		[1, 1],
		[2, 1],
		[3, 0],
	] as const) {
		await store.writePart({ batchId: "batch_1", part, token: "t", items: 1, bytes: 1, ...nothing }, [1]);
		const lines = eachOf([line(`batch1-1-${part}`, expired)]);
		expect(await bookResults({ store, batch, part, lines, price: priceOf, isLast: false, mayGoAgain: true })).toMatchObject({ goAgain });
		await store.releaseItems({ batchId: "batch_1", part }, "again");
	}
	expect(store.outcomes("batch_1")).toEqual(["expired"]);
});
