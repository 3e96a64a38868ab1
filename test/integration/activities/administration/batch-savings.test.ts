import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBatchSavings } from "#activities/administration/batch-savings.ts";
import { answered, type BatchStand, unbilled } from "#test/support/batch-stand.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";

/** What batches saved is held to the ledger: batches of files, one that is over and one that is not, and items handed in alone. */
let stand: DeferredStand;
let batches: BatchStand;

beforeAll(async () => {
	stand = await DeferredStand.open();
	batches = stand.batches;
	const over = await batches.sent({ count: 4 });
	const inRealTime = (cost: bigint, realTimeNanoUsd: bigint) => ({ cost, realTimeNanoUsd });
	await batches.store.book(over, [answered(1, inRealTime(100n, 190n)), answered(2, inRealTime(90n, 180n)), unbilled(3, "errored"), answered(4, { cost: 30n })]);
	for (const state of ["submitting", "running", "ended", "collected"] as const) await batches.store.movePart({ batchId: over, part: 1 }, state, {});
	await batches.store.closeHold(over);
	for (const state of ["running", "finalizing", "completed"] as const) await batches.store.move(over, state, {});
	await batches.store.book(await batches.sent({ count: 2 }), [answered(1, inRealTime(70n, 140n))]);

	const late = stand.item({ deadlineMs: Date.now() - 1_000 });
	const { batch } = await stand.accepted(late);
	await stand.accepted(stand.item({ deadlineMs: Date.now() - 1_000 }));
	await stand.flushed(batch.batchId);
	await batches.send(batch.batchId, 1);
	await batches.store.book(batch.batchId, [answered(1, { ...inRealTime(50n, 100n), lane: "batch" })]);
	await stand.deferred.markAnswered(batch.batchId, [{ n: 1, httpStatus: 200, answerBlobKey: "demo/answers/1" }]);
});
afterAll(() => stand.close());

const read = (of: { readonly teamId?: string; readonly days?: number } = {}) => readBatchSavings(batches.ledger.client, { days: 30, ...of });

describe("what batches saved", () => {
	test("is told of files and of items handed in alone, of what is not over so far", async () => {
		const { teams, total } = await read();
		expect(teams).toEqual([
			{ teamId: "demo", origin: "caller", items: 4, costNanoUsd: "290", realTimeNanoUsd: "540", savedNanoUsd: "250", lateItems: 0 },
			{ teamId: "demo", origin: "collected", items: 1, costNanoUsd: "50", realTimeNanoUsd: "100", savedNanoUsd: "50", lateItems: 1 },
		]);
		expect(total).toEqual({ items: 5, costNanoUsd: "340", realTimeNanoUsd: "640", savedNanoUsd: "300", lateItems: 1 });
	});

	test("costs what the ledger booked", async () => {
		const [booked] = await batches.ledger.sql<{ cost: string }>(
			"SELECT sum(e.amount_nano_usd)::text AS cost FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.attempt_id WHERE a.gateway_id LIKE 'batch%'",
		);
		expect((await read()).total.costNanoUsd).toBe(booked?.cost);
	});

	test("is of the team and of the days that are asked for", async () => {
		expect((await read({ teamId: "nobody" })).teams).toEqual([]);
		await batches.ledger.sql("UPDATE tollgate.batch SET ended_at = ended_at - interval '20 days' WHERE ended_at IS NOT NULL");
		expect((await read({ days: 7 })).total.costNanoUsd).toBe("120");
		expect((await read()).total.costNanoUsd).toBe("340");
	});

	test("is added up from an index alone, however many items there are", async () => {
		await batches.ledger.sql("VACUUM ANALYZE tollgate.batch_item");
		await batches.ledger.sql("SET enable_seqscan = off");
		await batches.ledger.sql("SET enable_bitmapscan = off");
		const plan = await batches.ledger.sql<{ "QUERY PLAN": string }>(
			"EXPLAIN SELECT sum(coalesce(real_time_nano_usd, cost_nano_usd)) FROM tollgate.batch_item WHERE batch_number = 1 AND cost_nano_usd IS NOT NULL",
		);
		expect(plan.map((row) => row["QUERY PLAN"]).join("\n")).toContain("Index Only Scan using batch_item_billed");
	});
});
