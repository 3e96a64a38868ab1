import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CollectorRows } from "#activities/batches/collector/collector-port.ts";
import { createCollectingBatches, createCollectorRows } from "#activities/batches/collector/collector-rows.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresTurnarounds } from "#activities/batches/store/turnaround.ts";
import { Connection } from "#activities/database/connection.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { SAMPLES_MIN } from "#domain/batching/turnaround.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";

/** What a collector, its starter and the choice of a lane read of PostgreSQL, and the flush. */
const HOUR_MS = 3_600_000;
const SCOPE: CollectorScope = {
	...{ teamId: "demo", protocol: "openai", endpoint: "chat.completions", model: "gpt-test", deployment: "openai/gpt-test", provider: "openai" },
};
let stand: DeferredStand;
let other: Connection;
let rows: CollectorRows;

beforeEach(async () => {
	stand = await DeferredStand.open();
	other = new Connection({ url: stand.batches.ledger.database.url, applicationName: "test collector", statementTimeoutMs: 20_000 });
	rows = createCollectorRows(other, createPostgresDeferredStore(other));
});
afterEach(async () => {
	await other.close();
	await stand.close();
});

const batchesOf = (neededMs = HOUR_MS, scope = SCOPE) => rows.batchesOf(scope, { neededMs, most: 16 });

describe("what a collector reads", () => {
	test("is the sums of its batch as the provider's limits count them: with what stands around a body, and each input of embeddings", async () => {
		const embeddings = stand.item({ endpoint: "embeddings" });
		const { batch } = await stand.accepted({ ...embeddings, item: { ...embeddings.item, bytes: 1_000, embeddingInputs: 5, boundInputTokens: 30 } });
		await stand.accepted({ ...stand.item({ endpoint: "embeddings" }), item: { ...embeddings.item, bytes: 2_000, embeddingInputs: 7, boundInputTokens: 20 } });
		const read = await batchesOf(HOUR_MS, { ...SCOPE, endpoint: "embeddings" });
		expect(read).toMatchObject([
			{
				...{ batchId: batch.batchId, heldNanoUsd: "400", reachableDeadlineMs: null },
				tally: { items: 2, bytes: 3_000 + 2 * 256, embeddingInputs: 12, inputTokens: 50, leastInputTokens: 20, earliestDeadlineMs: null },
			},
		]);
	});

	test("is its own batches alone, each at its prices, and none that was sent or has nothing in it", async () => {
		const { batch: first } = await stand.accepted();
		const { batch: second } = await stand.accepted(stand.item({ priceVersion: 2 }));
		await stand.accepted(stand.item({ model: "other" }));
		await stand.accepted(stand.item({ endpoint: "responses" }));
		expect((await batchesOf()).map(({ batchId }) => batchId)).toEqual([first.batchId, second.batchId]);
		await stand.flushed(first.batchId);
		expect((await batchesOf()).map(({ batchId }) => batchId)).toEqual([second.batchId]);
		const item = stand.item({ priceVersion: 2 });
		await stand.accepted(item);
		await stand.deferred.cancelDeferred("demo", item.deferredId);
		expect(await batchesOf()).toMatchObject([{ tally: { items: 1 } }]);
		expect(await rows.batchesOf(SCOPE, { neededMs: 0, most: 0 })).toEqual([]);
	});

	test("tells deadlines that a batch could keep when their items came from those that only a call can", async () => {
		const nowMs = Date.now();
		const [soon, later, latest] = [nowMs + HOUR_MS, nowMs + 3 * HOUR_MS, nowMs + 9 * HOUR_MS];
		for (const deadlineMs of [latest, soon, later, null]) await stand.accepted(stand.item({ deadlineMs }));
		expect(await batchesOf(2 * HOUR_MS)).toMatchObject([{ tally: { items: 4, earliestDeadlineMs: soon }, reachableDeadlineMs: later }]);
		expect(await batchesOf(0)).toMatchObject([{ reachableDeadlineMs: soon }]);
		expect(await batchesOf(20 * HOUR_MS)).toMatchObject([{ reachableDeadlineMs: null }]);
	});
});

describe("a flush", () => {
	test("of what was read is refused when an item came since; of whatever there is it is not", async () => {
		const { batch } = await stand.accepted();
		const [read] = await batchesOf();
		await stand.accepted();
		expect(await rows.flush(batch.batchId, read?.version ?? "")).toBe(false);
		expect(await batchesOf()).toMatchObject([{ tally: { items: 2 } }]);
		expect(await rows.flush(batch.batchId, null)).toBe(true);
		expect(await stand.batches.store.read(batch.batchId)).toMatchObject({ state: "held", items: 2, heldNanoUsd: "400" });
		expect(await rows.flush(batch.batchId, null)).toBe(false);
	});

	test("and items that come at the same time: each is in what went, or in the next batch", async () => {
		const { batch } = await stand.accepted();
		const arriving = Array.from({ length: 12 }, () => stand.accepted());
		const [isFlushed] = await Promise.all([rows.flush(batch.batchId, null), ...arriving]);
		expect(isFlushed).toBe(true);
		const sent = await stand.batches.store.read(batch.batchId);
		const rest = (await batchesOf()).reduce((sum, { tally }) => sum + tally.items, 0);
		expect((sent?.items ?? 0) + rest).toBe(13);
		expect(sent?.counts.open).toBe(sent?.items);
	});
});

describe("the starter of collectors", () => {
	test("is one of all, and sees what collects without its sums, page by page", async () => {
		const first = createCollectingBatches(other, createPostgresDeferredStore(other));
		const second = createCollectingBatches(stand.batches.sql, stand.deferred);
		expect([await first.tryLock(), await first.tryLock(), await second.tryLock()]).toEqual([true, true, false]);
		const { batch } = await stand.accepted(stand.item({ deadlineMs: Date.now() + HOUR_MS }));
		await stand.accepted(stand.item({ model: "other" }));
		const [seen, ...others] = await first.seen("0", 1);
		expect(others).toEqual([]);
		expect(seen).toMatchObject({ batchId: batch.batchId, items: 1, scope: SCOPE });
		expect(Math.abs((seen?.clockMs ?? 0) - Date.now())).toBeLessThan(60_000);
		expect(await first.seen(seen?.number ?? "", 10)).toMatchObject([{ scope: { model: "other" } }]);
		expect(await first.tally(batch.batchId)).toMatchObject({ items: 1 });
		await stand.flushed(batch.batchId);
		expect(await first.seen("0", 10)).toMatchObject([{ scope: { model: "other" } }]);
		expect(await first.tally(batch.batchId)).toBeUndefined();
	});
});

describe("how long the provider's batches take", () => {
	/** Parts of one batch, as they stand after `tookMs`; null: they run. */
	async function parts(
		count: number,
		of: { tookMs: number | null; agoMs?: number; lane?: string; deployment?: string; isCancelled?: boolean; state?: string },
	) {
		const {
			tookMs,
			agoMs = 2 * HOUR_MS,
			lane = "batch",
			deployment = "openai/gpt-test",
			isCancelled = false,
			state = tookMs === null ? "running" : "collected",
		} = of;
		const batchId = await stand.batches.held({ count: 1, deployment });
		await stand.batches.ledger.sql(
			`INSERT INTO tollgate.batch_part (batch_number, part, token, state, items, bytes, provider, lane, submit_began_at, running_since, ended_at)
			 SELECT b.number, p, b.id || '-' || p, $2, 1, 1, 'openai', $3, began.at, began.at, began.at + $5 * interval '1 ms'
			 FROM tollgate.batch b, generate_series(1, $6) AS p, LATERAL (SELECT clock_timestamp() - $4 * interval '1 ms' AS at) began WHERE b.id = $1`,
			[batchId, state, lane, agoMs, tookMs, count],
		);
		if (isCancelled)
			await stand.batches.ledger.sql("UPDATE tollgate.batch SET cancel_asked_at = clock_timestamp() - interval '1 day' WHERE id = $1", [batchId]);
	}

	const estimate = (clock = { nowMs: 0 }) => createPostgresTurnarounds(other, () => clock.nowMs).estimate(SCOPE, Date.now());

	test("is what those of the last 14 days took, of its lane and deployment, with those that run", async () => {
		await parts(SAMPLES_MIN, { tookMs: HOUR_MS });
		await parts(3, { tookMs: null, agoMs: 10 * 60_000 });
		await parts(50, { tookMs: 1_000, lane: "real_time" });
		await parts(50, { tookMs: 1_000, deployment: "openai/other" });
		await parts(50, { tookMs: 1_000, agoMs: 15 * 24 * HOUR_MS });
		await parts(50, { tookMs: 1_000, state: "failed" });
		const found = await estimate();
		expect(found).toMatchObject({ source: "all_hours", samples: SAMPLES_MIN, inFlight: 3, lateShare: 0.1 });
		expect(Math.abs(found.quantileMs - HOUR_MS)).toBeLessThanOrEqual(2_000);
	});

	test("is the provider's whole window where too few are known, and those that we ended count as not ended", async () => {
		expect(await estimate()).toMatchObject({ source: "default", quantileMs: 24 * HOUR_MS, samples: 0 });
		await parts(SAMPLES_MIN - 1, { tookMs: HOUR_MS });
		await parts(5, { tookMs: 1_000, isCancelled: true });
		expect(await estimate()).toMatchObject({ source: "default", samples: SAMPLES_MIN - 1 });
		await parts(1, { tookMs: HOUR_MS });
		expect(await estimate()).toMatchObject({ source: "all_hours", samples: SAMPLES_MIN });
	});

	test("shows a provider that slows down before its batches end", async () => {
		await parts(SAMPLES_MIN, { tookMs: HOUR_MS, agoMs: 30 * HOUR_MS });
		const before = await estimate();
		await parts(60, { tookMs: null, agoMs: 5 * HOUR_MS });
		expect((await estimate()).quantileMs).toBeGreaterThan(before.quantileMs + 3 * HOUR_MS);
	});

	test("is read once a minute, and again at once where reading failed", async () => {
		const clock = { nowMs: 0 };
		const turnarounds = createPostgresTurnarounds(other, () => clock.nowMs);
		await parts(SAMPLES_MIN, { tookMs: HOUR_MS });
		const samples = async () => (await turnarounds.estimate(SCOPE, Date.now())).samples;
		expect(await samples()).toBe(SAMPLES_MIN);
		await parts(1, { tookMs: HOUR_MS });
		clock.nowMs = 59_999;
		expect(await samples()).toBe(SAMPLES_MIN);
		clock.nowMs = 60_000;
		expect(await samples()).toBe(SAMPLES_MIN + 1);
		clock.nowMs = 200_000;
		await stand.batches.ledger.sql("ALTER TABLE tollgate.batch_part RENAME TO gone");
		await expect(samples()).rejects.toThrow();
		await stand.batches.ledger.sql("ALTER TABLE tollgate.gone RENAME TO batch_part");
		expect(await samples()).toBe(SAMPLES_MIN + 1);
	});
});
