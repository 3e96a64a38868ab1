import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DeferredStore } from "#activities/batches/deferred-port.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { answered, BatchStand, unbilled } from "#test/support/batch-stand.ts";
import { deferredItem } from "#test/support/deferred-stand.ts";

/** `tollgate verify` finds what is wrong with a batch, and names it. */
let stand: BatchStand;
let batchId: string;
beforeEach(async () => {
	stand = await BatchStand.open();
	batchId = await stand.sent({ count: 4 });
	await stand.store.book(batchId, [answered(1), answered(2), unbilled(3, "expired")]);
});
afterEach(() => stand.close());

async function findings(): Promise<string[]> {
	await stand.ledger.fallSilent();
	const { findings: found, report } = await verifyLedger({ databaseUrl: stand.ledger.database.url });
	expect(report.ok).toBe(found.length === 0);
	return found.map(({ kind, row }) => `${kind} ${row}`);
}

async function accept(deferred: DeferredStore, place: number): Promise<string> {
	const result = await deferred.accept(deferredItem(`deferred_${String(place).padStart(24, "0")}`), { waitIsOver: true });
	if (result.kind !== "accepted") throw new Error(`the item is ${result.kind}`);
	return result.batch.batchId;
}

const end = async (): Promise<void> => {
	await stand.store.book(batchId, [unbilled(4, "cancelled")]);
	await stand.store.closeHold(batchId);
	await stand.store.move(batchId, "running", {});
	await stand.store.move(batchId, "finalizing", {});
	await stand.store.move(batchId, "completed", {});
};

test("a batch that runs, and one that has ended, are in order", async () => {
	expect(await findings()).toEqual([]);
	await end();
	expect(await findings()).toEqual([]);
});

describe("while it runs", () => {
	test.each([
		["an outcome that was taken back", "UPDATE tollgate.batch_item SET outcome = NULL, outcome_try = NULL WHERE n = 3", "batch batch_"],
		["an outcome that nobody counted", "UPDATE tollgate.batch_item SET outcome = 'expired', outcome_try = 1 WHERE n = 4", "batch batch_"],
		["a bound that was lowered", "UPDATE tollgate.batch_item SET bound_nano_usd = 1 WHERE n = 1", "batch batch_"],
		["a counter that was moved", "UPDATE tollgate.batch SET held_nano_usd = held_nano_usd - 1", "batch batch_"],
		["a cost that is not the entry's", "UPDATE tollgate.batch_item SET cost_nano_usd = 99 WHERE n = 1", "attempt batch1-1-1"],
		["an entry of an item that was not billed", "UPDATE tollgate.batch_item SET cost_nano_usd = NULL WHERE n = 1", "attempt batch1-1-1"],
		["an item that was billed without an entry", "UPDATE tollgate.batch_item SET cost_nano_usd = 0 WHERE n = 3", "attempt batch1-1-3"],
		["a try that was another one", "UPDATE tollgate.batch_item SET outcome_try = 2 WHERE n = 1", "attempt batch1-1-5"],
		["a sum that is not what was booked", "UPDATE tollgate.batch SET settled_nano_usd = settled_nano_usd + 1", "batch batch_"],
		["windows that are not those of its attempts", "DELETE FROM tollgate.batch_window", "attempt batch1-1-1"],
		[
			"money that was given back too soon",
			"SELECT tollgate.return_idle('batch1', 1, ARRAY[window_id], ARRAY[600::bigint]) FROM tollgate.batch_window",
			"batch batch_",
		],
		["a window that says another amount is held", "UPDATE tollgate.batch_window SET held = held - 1", "batch batch_"],
		["a batch that was taken away", "DELETE FROM tollgate.batch_part; DELETE FROM tollgate.batch", "holder batch1"],
	] as const)("%s is found", async (_name, statement, row) => {
		await stand.ledger.sql(statement);
		expect((await findings()).some((found) => found.startsWith(`batch ${row}`))).toBe(true);
	});
});

describe("while items of their own payers are held", () => {
	test.each([
		["a window that says another amount is held", "UPDATE tollgate.batch_window SET held = held + 1 WHERE batch_number = 2", "batch batch_"],
		["an item that is held nowhere", "UPDATE tollgate.batch_item SET windows = '{}' WHERE batch_number = 2 AND n = 2", "batch batch_"],
		["an item of a window that its batch does not know", "DELETE FROM tollgate.batch_window WHERE batch_number = 2", "batch batch_"],
		[
			"a second bound that nobody granted",
			"UPDATE tollgate.batch_item SET seconds = 1, is_second_held = true WHERE batch_number = 2 AND n = 2",
			"batch batch_",
		],
		[
			"another payer than the entry's",
			'UPDATE tollgate.batch_item SET attribution = \'{"keyId": "key_9"}\' WHERE batch_number = 2 AND n = 1',
			"attempt batch2-1-1",
		],
	] as const)("%s is found", async (_name, statement, row) => {
		const deferred = createPostgresDeferredStore(stand.sql);
		const first = await accept(deferred, 1);
		await accept(deferred, 2);
		const version = (await deferred.readCollector(first))?.batch.version ?? "";
		await deferred.flush(first, version);
		await stand.send(first, 1);
		await stand.store.book(first, [answered(1)]);
		expect(await findings()).toEqual([]);
		await stand.ledger.sql(statement);
		expect((await findings()).some((found) => found.startsWith(`batch ${row}`))).toBe(true);
	});
});

describe("after the end", () => {
	test.each([
		["money that is still held", "UPDATE tollgate.lease SET returned = returned - 1 WHERE gateway_id = 'batch1'", "batch batch_"],
		["a holder that is open again", "UPDATE tollgate.gateway_epoch SET closed_at = NULL WHERE kind = 'batch'", "batch batch_"],
		[
			"an item without an outcome",
			"UPDATE tollgate.batch_item SET outcome = NULL, outcome_try = NULL WHERE n = 4; UPDATE tollgate.batch SET open_items = 1, cancelled_items = 0, held_nano_usd = 200, held_tokens = 150",
			"batch batch_",
		],
		["a duplicate that is none", "UPDATE tollgate.attempt SET reason = 'duplicate' WHERE attempt_id = 'batch1-1-1'", "attempt batch1-1-1"],
	] as const)("%s is found", async (_name, statement, row) => {
		await end();
		await stand.ledger.sql(statement);
		expect((await findings()).some((found) => found.startsWith(`batch ${row}`))).toBe(true);
	});
});
