import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import type { CallOutcome } from "#activities/batches/job/real-time.ts";
import { REAL_TIME_TIMES } from "#activities/batches/job/real-time-times.ts";
import { createRealTimeStore } from "#activities/batches/store/real-time.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { BOUND_NANO_USD, HOUR_MS, RealTimeStand, SAID } from "#test/support/real-time-stand.ts";

/** Lanes of items that were handed in alone, on the real functions, with calls to the simulated provider. */
let stand: RealTimeStand;
beforeAll(async () => {
	stand = await RealTimeStand.open();
});
afterAll(() => stand?.close());

const soon = () => ({ deadlineMs: stand.nowMs + HOUR_MS });
const late = () => ({ deadlineMs: stand.nowMs + 40 * HOUR_MS });
const said = { script: { itemOf: () => SAID } };

describe("an item", () => {
	test("goes with a batch where it has the time, in real time where it has not, and never in real time where its caller forbids it", async () => {
		const batchId = await stand.held([soon(), late(), { ...soon(), mayGoRealTime: false }, { deadlineMs: null }]);
		const { number } = await stand.batch(batchId);
		expect((await stand.drive(batchId, stand.activities(said))).picture?.batch).toMatchObject({ state: "completed", counts: { succeeded: 4 } });
		expect((await stand.outcomes(batchId)).map(({ lane }) => lane)).toEqual(["real_time", "batch", "batch", "batch"]);
		expect(stand.billed(number)).toEqual([`batch${number}-1-1`]);
		expect((await stand.deferred.batches.entries(batchId)).map(({ attempt_id }) => attempt_id)).toEqual([1, 2, 3, 4].map((n) => `batch${number}-1-${n}`));
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("in real time costs what its usage costs there, and says what the other lane would have", async () => {
		const batchId = await stand.held([{ ...soon(), content: `[[simulate:{"inputTokens":100,"outputTokens":5}]]` }, late()]);
		await stand.drive(batchId, stand.activities(said));
		const rows = await stand.deferred.batches.ledger.sql<{ cost: string; real_time: string }>(
			`SELECT i.cost_nano_usd AS cost, i.real_time_nano_usd AS real_time FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number
			 WHERE b.id = $1 ORDER BY i.n`,
			[batchId],
		);
		expect(rows).toEqual([
			{ cost: "110", real_time: "110" },
			{ cost: "100", real_time: "200" },
		]);
	});

	test("that the provider refuses ends with what it said, and costs nothing", async () => {
		const batchId = await stand.held([{ ...soon(), content: `[[simulate:{"status":400}]]` }, soon()]);
		await stand.drive(batchId);
		expect((await stand.outcomes(batchId)).map(({ outcome, try: tries }) => [outcome, tries])).toEqual([
			["errored", 1],
			["succeeded", 1],
		]);
		expect(await stand.deferred.batches.entries(batchId)).toHaveLength(1);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("that fails in a way that may pass goes again, three times in all", async () => {
		const batchId = await stand.held([{ ...soon(), content: `[[simulate:{"status":500}]]` }]);
		const { number } = await stand.batch(batchId);
		await stand.drive(batchId);
		expect(await stand.outcomes(batchId)).toMatchObject([{ outcome: "errored", try: 3, outcome_try: 3 }]);
		expect(stand.billed(number)).toEqual([]);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("that may not go in real time, and fails in both its batches, is answered with what the provider said last", async () => {
		const busy = (id: string): ItemResult => ({
			kind: "errored",
			httpStatus: 529,
			requestId: null,
			body: `{"error":{"type":"server_error","message":"of ${id}"}}`,
		});
		const itemOf = (name: string, id: string): ItemResult =>
			name === "i-1" || Number(id.split("-")[2]) <= 3 ? (name === "i-3" ? { kind: "expired" } : busy(id)) : { kind: "expired" };
		const inBatches = { deadlineMs: null, mayGoRealTime: false };
		const batchId = await stand.held([inBatches, inBatches, inBatches]);
		const { number } = await stand.batch(batchId);
		await stand.drive(batchId, stand.activities({ script: { itemOf } }));
		expect((await stand.outcomes(batchId)).map(({ outcome, try: tries }) => [outcome, tries])).toEqual(
			["errored", "expired", "expired"].map((outcome) => [outcome, 2]),
		);
		const answers = await stand.answers(batchId);
		expect(answers.map(({ status }) => status)).toEqual([529, 504, 504]);
		expect(answers[0]?.body).toBe(`{"error":{"type":"server_error","message":"of batch${number}-1-4"}}`);
		expect(await stand.deferred.batches.entries(batchId)).toEqual([]);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("whose batch no provider takes for want of room goes with the next one as if it were the first", async () => {
		const refusals = Array.from({ length: 3 }, () => ({ code: "token_limit_exceeded", message: "Enqueued token limit reached" }));
		const batchId = await stand.held([late(), { deadlineMs: null }, { deadlineMs: null, mayGoRealTime: false }]);
		await stand.drive(batchId, stand.activities({ script: { itemOf: () => SAID, refusals } }));
		expect((await stand.outcomes(batchId)).map(({ outcome, lane, try: tries }) => [outcome, lane, tries])).toEqual([
			["succeeded", "batch", 4],
			["succeeded", "batch", 4],
			["succeeded", "batch", 4],
		]);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("that is cancelled while its way is chosen is left out", async () => {
		const batchId = await stand.held([soon(), soon(), late(), late()]);
		const ids = (await stand.deferred.deferred.listDeferred("demo", { after: null, limit: 4 })).map(({ deferredId }) => deferredId).reverse();
		const cancels = new Map([
			["store.writePart", ids[0]],
			["lines.writeRequests", ids[2]],
		]);
		const pending: Promise<unknown>[] = [];
		const onCall = (_place: number, name: string): void => {
			const id = cancels.get(name);
			cancels.delete(name);
			if (id !== undefined) pending.push(stand.deferred.deferred.cancelDeferred("demo", id));
		};
		const activities = stand.activities({ ...said, onCall });
		// Before the parts are written both cancellations were asked for.
		for (const [name, id] of cancels) if (name === "lines.writeRequests") await stand.deferred.deferred.cancelDeferred("demo", id ?? "");
		await stand.drive(batchId, activities);
		await Promise.all(pending);
		const outcomes = (await stand.outcomes(batchId)).map(({ outcome }) => outcome);
		expect(outcomes.slice(1)).toEqual(["succeeded", "cancelled", "succeeded"]);
		expect(["cancelled", "succeeded"]).toContain(outcomes[0]);
		expect(await stand.findings(batchId)).toEqual([]);
	});
});

test("an item whose part another worker calls for is left to that one until it is silent", async () => {
	const batchId = await stand.held([soon()]);
	const { number } = await stand.batch(batchId);
	const activities = stand.activities();
	for (const step of [activities.readBatchJob, activities.chooseBatchLanes]) await step({ batchId });
	const rows = createRealTimeStore(stand.deferred.batches.sql);
	const of = { batchId, part: 1 };
	expect(await rows.claimPart(of, "another", 60_000)).toBe(0);
	const { outcome } = await activities.callRealTimePart(of);
	expect(outcome).toMatchObject({ kind: "called", left: 1 });
	expect(outcome.kind === "called" && outcome.waitMs > 0 && outcome.waitMs <= 60_000).toBe(true);
	expect(stand.billed(number)).toEqual([]);
	// Nor does it send, once it was given up and somebody else has the part.
	await stand.claimsEnd();
	expect(await rows.claimPart(of, "a third", 60_000)).toBe(0);
	expect(await rows.markSent(of, "another", [1])).toEqual([]);
	await stand.claimsEnd();
	await stand.drive(batchId, activities);
	expect(stand.billed(number)).toEqual([`batch${number}-1-1`]);
});

test("what a worker hears that stood still past its claim is not kept over what the next one charged", async () => {
	const batchId = await stand.held([soon(), soon()]);
	const { number } = await stand.batch(batchId);
	const [of, stood, goesOn] = [{ batchId, part: 1 }, Promise.withResolvers<void>(), Promise.withResolvers<void>()];
	const call = async (_call: unknown, n: number): Promise<CallOutcome> =>
		n === 1
			? { kind: "answered", httpStatus: 200, requestId: "r", body: '{"model":"gpt-test","usage":{"prompt_tokens":7,"completion_tokens":7}}' }
			: { kind: "refused", retryAfterMs: null, why: "the provider said 429" };
	const usual = stand.dependencies({ call });
	// One answer is there, and not kept: it stands still within the turn that keeps it, where it asked for its claim already.
	let stoodMs = 0;
	const unmarkSent: typeof usual.realTime.store.unmarkSent = async (...given) => {
		stood.resolve();
		await goesOn.promise;
		await usual.realTime.store.unmarkSent(...given);
	};
	const still = createBatchJobActivities({
		...usual,
		now: () => performance.now() + stoodMs,
		realTime: { ...usual.realTime, store: { ...usual.realTime.store, unmarkSent } },
	});
	for (const step of [still.readBatchJob, still.chooseBatchLanes]) await step({ batchId });
	const first = still.callRealTimePart(of).then(
		() => "kept",
		(error: unknown) => String(error),
	);
	await stood.promise;
	stoodMs = REAL_TIME_TIMES.claimMs;
	await stand.claimsEnd();
	const next = stand.activities();
	await next.callRealTimePart(of);
	const keptBytes = () => [...stand.blobs.blobs].map(([key, bytes]) => [key, bytes.toString("utf8")]);
	const charged = { kept: keptBytes(), entries: await stand.deferred.batches.entries(batchId) };
	expect(charged.entries.map(({ attempt_id, outcome }) => [attempt_id, outcome])).toEqual([1, 2].map((n) => [`batch${number}-1-${n}`, "unresolved"]));
	goesOn.resolve();
	expect(await first).toContain("may be another worker's by now");
	expect({ kept: keptBytes(), entries: await stand.deferred.batches.entries(batchId) }).toEqual(charged);
	await stand.drive(batchId, next);
	expect((await stand.outcomes(batchId)).map(({ outcome, outcome_try }) => [outcome, outcome_try])).toEqual([1, 2].map(() => ["succeeded", 2]));
	expect(await stand.findings(batchId)).toEqual([]);
});

test("a worker that stops sends nothing more, and keeps what comes in the time it has", async () => {
	const batchId = await stand.held([soon(), soon()]);
	const stop = new AbortController();
	const call = async (): Promise<CallOutcome> => {
		stop.abort();
		return { kind: "answered", httpStatus: 200, requestId: "r", body: '{"model":"gpt-test","usage":{"prompt_tokens":1,"completion_tokens":1}}' };
	};
	const stopping = stand.activities({ call, stopSignal: stop.signal, pace: { rate: { itemsPerSecond: 1_000, burst: 10 }, concurrency: 1 } });
	for (const step of [stopping.readBatchJob, stopping.chooseBatchLanes]) await step({ batchId });
	const { outcome } = await stopping.callRealTimePart({ batchId, part: 1 });
	expect(outcome).toMatchObject({ kind: "called", left: 1 });
	expect((await stand.outcomes(batchId)).map(({ outcome: ended }) => ended)).toEqual(["succeeded", null]);
	await stand.drive(batchId);
	expect((await stand.outcomes(batchId)).map(({ outcome: ended, try: tries }) => [ended, tries])).toEqual(Array.from({ length: 2 }, () => ["succeeded", 1]));
	expect(await stand.findings(batchId)).toEqual([]);
});

describe("a provider that has too much to do", () => {
	test("is left alone for as long as it says, and what it refused goes under the same try", async () => {
		const batchId = await stand.held([soon(), soon(), soon()]);
		let refusals = 3;
		const answers: CallOutcome = {
			kind: "answered",
			httpStatus: 200,
			requestId: "r",
			body: '{"model":"gpt-test","usage":{"prompt_tokens":1,"completion_tokens":1}}',
		};
		const asked: number[] = [];
		const call = async (): Promise<CallOutcome> => {
			asked.push(stand.nowMs);
			return refusals-- > 0 ? { kind: "refused", retryAfterMs: 30_000, why: "the provider said 429" } : answers;
		};
		const waits: string[] = [];
		await stand.drive(batchId, stand.activities({ call }), (_step, { trouble }) => waits.push(trouble?.message ?? ""));
		expect(asked).toHaveLength(6);
		expect((asked[3] ?? 0) - (asked[2] ?? 0)).toBeGreaterThanOrEqual(30_000);
		expect(waits).toContain("the provider said 429");
		expect((await stand.outcomes(batchId)).map(({ outcome, try: tries }) => [outcome, tries])).toEqual(Array.from({ length: 3 }, () => ["succeeded", 1]));
	});

	test("gets no more than the rate and the places allow, most urgent first", async () => {
		const batchId = await stand.held([3, 1, 2].map((hours) => ({ deadlineMs: stand.nowMs + hours * HOUR_MS })));
		const order: number[] = [];
		let [underWay, most] = [0, 0];
		const call = async (_call: unknown, n: number): Promise<CallOutcome> => {
			order.push(n);
			most = Math.max(most, ++underWay);
			await new Promise((resolve) => setImmediate(resolve));
			underWay--;
			return { kind: "answered", httpStatus: 200, requestId: "r", body: '{"model":"gpt-test","usage":{"prompt_tokens":1,"completion_tokens":1}}' };
		};
		await stand.drive(batchId, stand.activities({ call, pace: { rate: { itemsPerSecond: 1_000, burst: 10 }, concurrency: 1 } }));
		expect({ order, most }).toEqual({ order: [2, 3, 1], most: 1 });
	});
});

describe("a call of unknown outcome", () => {
	const cut = { content: `[[simulate:{"fault":"cut_before_headers"}]]` };

	test("is charged at its bound, and goes again where its bound is held once more", async () => {
		const batchId = await stand.held([{ ...soon(), ...cut }, soon()]);
		const { number } = await stand.batch(batchId);
		await stand.drive(batchId);
		const [first] = await stand.outcomes(batchId);
		expect(first).toMatchObject({ outcome: "errored", try: 3 });
		const entries = await stand.deferred.batches.entries(batchId);
		expect(entries.map(({ attempt_id, outcome }) => [attempt_id, outcome])).toEqual([
			[`batch${number}-1-1`, "unresolved"],
			[`batch${number}-1-2`, "settled"],
			[`batch${number}-1-3`, "unresolved"],
			[`batch${number}-1-5`, "unresolved"],
		]);
		expect(stand.alerts.filter(({ batch }) => batch.batchId === batchId).length).toBe(3);
		expect(await stand.findings(batchId)).toEqual([]);
	});

	test("ends where nobody pays for another try", async () => {
		const { ledger } = stand.deferred.batches;
		const [window] = await ledger.sql<{ leased: string }>(
			"SELECT coalesce(sum(granted - returned), 0)::text AS leased FROM tollgate.lease WHERE window_id = $1",
			[ledger.windowId],
		);
		const batchId = await stand.held([{ ...soon(), ...cut }]);
		await ledger.limit(BigInt(window?.leased ?? 0) + BOUND_NANO_USD, 900);
		await stand.drive(batchId);
		await ledger.limit(1_000_000_000n, 901);
		expect(await stand.outcomes(batchId)).toMatchObject([{ outcome: "errored", try: 1 }]);
		expect(await stand.findings(batchId)).toEqual([]);
	});
});
