import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CallOutcome } from "#activities/batches/job/real-time.ts";
import { BOUND_NANO_USD, HOUR_MS, RealTimeStand, SAID } from "#test/support/real-time-stand.ts";

/** Items whose batch does not bring them in time, on the real functions, with calls to the simulated provider. */
let stand: RealTimeStand;
beforeAll(async () => {
	stand = await RealTimeStand.open();
});
afterAll(() => stand?.close());

describe("a batch that does not come in time", () => {
	const hedging = {
		script: { itemOf: () => SAID, pollsToEnd: (batches: number) => (batches > 1 ? 1 : 10_000) },
		times: { realTimeP99Ms: 60_000, marginMs: 300_000 },
	};

	test("is overtaken in real time beside it, is cancelled when most of it was, and what it brings late is a duplicate", async () => {
		const batchId = await stand.held([{ deadlineMs: stand.nowMs + 25 * HOUR_MS }, { deadlineMs: stand.nowMs + 25 * HOUR_MS }, { deadlineMs: null }]);
		const { number } = await stand.batch(batchId);
		const steps: string[] = [];
		await stand.drive(batchId, stand.activities(hedging), (step) => steps.push(step.kind));
		expect(steps).toContain("hedge");
		expect(stand.billed(number)).toEqual([`batch${number}-1-4`, `batch${number}-1-5`]);
		expect(steps).toContain("cancel");
		const outcomes = await stand.outcomes(batchId);
		expect(outcomes.map(({ outcome, lane, outcome_try }) => [outcome, lane, outcome_try])).toEqual([
			["succeeded", "real_time", 2],
			["succeeded", "real_time", 2],
			["succeeded", "batch", 2],
		]);
		const entries = await stand.deferred.batches.entries(batchId);
		// It was cancelled halfway.
		expect(entries.filter(({ reason }) => reason === "duplicate").map(({ attempt_id }) => attempt_id)).toEqual([`batch${number}-1-1`, `batch${number}-1-2`]);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("may win after all: its answer ends the item, and the call beside it is the duplicate", async () => {
		const batchId = await stand.held([{ deadlineMs: stand.nowMs + 25 * HOUR_MS }]);
		const { number } = await stand.batch(batchId);
		const call = async (): Promise<CallOutcome> => {
			await stand.deferred.batches.store.book(batchId, [
				{
					n: 1,
					tryNumber: 1,
					outcome: "succeeded",
					costNanoUsd: 100n,
					costTokens: 150,
					usage: null,
					answeredModel: "gpt-test",
					serviceTier: "batch",
					providerRequestId: "r",
					httpStatus: 200,
					lane: "batch",
				},
			]);
			return { kind: "answered", httpStatus: 200, requestId: "r", body: '{"model":"gpt-test","usage":{"prompt_tokens":10,"completion_tokens":1}}' };
		};
		await stand.drive(batchId, stand.activities({ ...hedging, call }));
		expect(await stand.outcomes(batchId)).toMatchObject([{ outcome: "succeeded", outcome_try: 1, lane: "batch" }]);
		expect((await stand.deferred.batches.entries(batchId)).map(({ attempt_id, reason }) => [attempt_id, reason])).toEqual([
			[`batch${number}-1-1`, null],
			[`batch${number}-1-2`, "duplicate"],
		]);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("is left alone, and asked for again later, where nobody pays twice", async () => {
		const { ledger } = stand.deferred.batches;
		const [window] = await ledger.sql<{ leased: string }>(
			"SELECT coalesce(sum(granted - returned), 0)::text AS leased FROM tollgate.lease WHERE window_id = $1",
			[ledger.windowId],
		);
		const batchId = await stand.held([{ deadlineMs: stand.nowMs + 25 * HOUR_MS }]);
		await ledger.limit(BigInt(window?.leased ?? 0) + BOUND_NANO_USD, 902);
		const steps: string[] = [];
		await stand.drive(batchId, stand.activities({ ...hedging, script: { itemOf: () => SAID, pollsToEnd: 108 } }), (step) => steps.push(step.kind));
		await ledger.limit(1_000_000_000n, 903);
		expect(steps.filter((kind) => kind === "hedge").length).toBeGreaterThan(1);
		expect(steps).toContain("tellLate");
		expect(steps).not.toContain("call");
		expect(await stand.outcomes(batchId)).toMatchObject([{ outcome: "succeeded", lane: "batch", try: 1 }]);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("is carried by no second part without a second bound", async () => {
		const batchId = await stand.held([{ deadlineMs: stand.nowMs + 25 * HOUR_MS }]);
		const activities = stand.activities(hedging);
		for (const step of [activities.readBatchJob, activities.chooseBatchLanes]) await step({ batchId });
		const nothing = { providerFileId: null, providerBatchId: null, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null };
		const beside = { batchId, part: 2, token: `t-${batchId}`, items: 1, bytes: 0, lane: "real_time" as const, isBeside: true, ...nothing };
		await expect(stand.deferred.batches.store.writePart(beside, [1])).rejects.toMatchObject({ code: "internal.invariant" });
		expect(await stand.deferred.deferred.holdMore(batchId, [1], { waitIsOver: true })).toEqual([1]);
		expect(await stand.deferred.batches.store.writePart(beside, [1])).toMatchObject({ part: 2, lane: "real_time" });
	});
});
