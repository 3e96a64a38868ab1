import { afterEach, beforeEach, expect, test } from "vitest";
import { verifyLedger } from "#activities/verification/verify.ts";
import { answered } from "#test/support/batch-stand.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";

/** The second bound of items that go in real time beside their batch, on the real functions. */
let stand: DeferredStand;
beforeEach(async () => {
	stand = await DeferredStand.open();
});
afterEach(() => stand.close());

const more = (batchId: string, numbers: readonly number[]): Promise<readonly number[]> => stand.deferred.holdMore(batchId, numbers, { waitIsOver: false });

/** Ann's two items and one of nobody, at 200 each, in one part of a batch; Ann has 200 left, the team 400. */
async function sent(): Promise<string> {
	await stand.batches.ledger.limit(1_000n, 2);
	await stand.batches.budget({ dimension: "user", value: "ann", limit: 600n });
	const { batch } = await stand.accepted(stand.item({ attribution: { userId: "ann" } }));
	await stand.accepted(stand.item({ attribution: { userId: "ann" } }));
	await stand.accepted();
	await stand.flushed(batch.batchId);
	await stand.batches.send(batch.batchId, 1);
	return batch.batchId;
}

async function findings() {
	await stand.batches.ledger.fallSilent();
	return (await verifyLedger({ databaseUrl: stand.batches.ledger.database.url })).findings;
}

async function collect(batchId: string): Promise<void> {
	for (const state of ["submitting", "running", "ended", "collected"] as const) await stand.batches.store.movePart({ batchId, part: 1 }, state, {});
}

test("is granted whole or not at all, item by item in the order asked, once, and never above a limit", async () => {
	const batchId = await sent();
	for (let asked = 0; asked < 2; asked++) expect(await more(batchId, [2, 1, 3])).toEqual([2, 3]);
	expect(await stand.held(batchId)).toEqual([
		{ budget: "team ", held: "1000", pending: "1000" },
		{ budget: "user ann", held: "600", pending: "600" },
	]);
	expect(await stand.batches.window()).toEqual({ granted: "1000", leased: "1000" });
	expect(await findings()).toEqual([]);
});

test("asked for by several at once is granted as often as it fits", async () => {
	const batchId = await sent();
	const granted = await Promise.all([[1], [2], [1, 2], [3]].map((numbers) => more(batchId, numbers)));
	expect(new Set(granted.flat()).size).toBe(2);
	expect(await stand.batches.window()).toEqual({ granted: "1000", leased: "1000" });
	expect(await findings()).toEqual([]);
});

test("pays for the try beside the one that ended the item", async () => {
	const batchId = await sent();
	expect(await more(batchId, [3])).toEqual([3]);
	await stand.batches.store.book(batchId, [
		answered(1, { cost: 200n }),
		answered(2, { cost: 200n }),
		answered(3, { cost: 200n, tryNumber: 2, lane: "real_time" }),
	]);
	expect(await stand.held(batchId)).toMatchObject([{ held: "200", pending: "200" }, { held: "0" }]);
	await stand.batches.store.book(batchId, [answered(3, { cost: 150n })]);
	const duplicate = (await stand.batches.entries(batchId)).find(({ reason }) => reason !== null);
	expect(duplicate).toMatchObject({ reason: "duplicate", cost_nano_usd: "150", overrun_nano_usd: "0" });
	expect(await stand.held(batchId)).toMatchObject([{ held: "0", pending: "50" }, { held: "0" }]);
	await collect(batchId);
	expect(await stand.batches.window()).toEqual({ granted: "750", leased: "750" });
	expect(await findings()).toEqual([]);
});

test("that nobody spent goes back when nothing runs any more, and not before", async () => {
	const batchId = await sent();
	await more(batchId, [3]);
	await stand.batches.store.book(batchId, [answered(3)]);
	expect(await stand.held(batchId)).toMatchObject([{ held: "600", pending: "700" }, { held: "400" }]);
	await stand.batches.store.book(batchId, [answered(1), answered(2)]);
	await collect(batchId);
	expect(await stand.held(batchId)).toMatchObject([
		{ held: "0", pending: "0" },
		{ held: "0", pending: "0" },
	]);
	await stand.batches.store.closeHold(batchId);
	expect(await findings()).toEqual([]);
});

test("is not of what has ended, may not go in real time, is a caller's, is collected still, or stands under a freeze", async () => {
	const caller = await stand.batches.sent();
	expect(await more(caller, [1])).toEqual([]);
	const { batch } = await stand.accepted(stand.item({ mayGoRealTime: false }));
	await stand.accepted();
	await stand.accepted();
	expect(await more(batch.batchId, [2])).toEqual([]);
	await stand.flushed(batch.batchId);
	await stand.batches.send(batch.batchId, 1);
	await stand.batches.store.book(batch.batchId, [answered(2)]);
	expect(await more(batch.batchId, [1, 2])).toEqual([]);
	await stand.batches.ledger.sql("UPDATE tollgate.budget_window SET is_frozen = true");
	expect(await more(batch.batchId, [3])).toEqual([]);
	await stand.batches.ledger.sql("UPDATE tollgate.budget_window SET is_frozen = false");
	expect(await more(batch.batchId, [3])).toEqual([3]);
});
