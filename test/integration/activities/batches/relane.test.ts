import { afterAll, beforeAll, expect, test } from "vitest";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { BOUND_NANO_USD, RealTimeStand, SAID } from "#test/support/real-time-stand.ts";

/** A caller's own batch whose key lets it go in real time, on the real functions, with calls to the simulated provider. */
let stand: RealTimeStand;
beforeAll(async () => {
	stand = await RealTimeStand.open();
});
afterAll(() => stand?.close());

const relane = { mayResubmit: false, mayRelane: true };
const overloaded: ItemResult = { kind: "errored", httpStatus: 503, requestId: null, body: '{"error":{"code":"service_unavailable_error"}}' };
const said = (unfinished: Readonly<Record<string, ItemResult>>) => ({ script: { itemOf: (name: string) => unfinished[name] ?? SAID } });
const USED = '[[simulate:{"inputTokens":100,"outputTokens":5}]]';

test("what its batch left undone is settled at the price of real time, and nothing is held or overspent after it", async () => {
	const batchId = await stand.heldOfCaller(["Hello", USED, USED], relane);
	const { number, heldNanoUsd } = await stand.batch(batchId);
	expect(heldNanoUsd).toBe((3n * BOUND_NANO_USD).toString());
	const held: string[] = [];
	const activities = stand.activities(said({ "i-2": { kind: "expired" }, "i-3": overloaded }));
	await stand.drive(batchId, activities, ({ kind }, { picture }) => void (kind === "call" && held.push(picture?.batch.heldNanoUsd ?? "")));
	// While it waits for real time each is held at what that may cost.
	expect(held[0]).toBe((2n * BOUND_NANO_USD).toString());
	expect((await stand.outcomes(batchId)).map(({ outcome, lane, try: tries }) => [outcome, lane, tries])).toEqual([
		["succeeded", "batch", 1],
		["succeeded", "real_time", 2],
		["succeeded", "real_time", 2],
	]);
	expect(stand.billed(number)).toEqual([5, 6].map((place) => `batch${number}-1-${place}`));
	const entries = await stand.deferred.batches.entries(batchId);
	expect(entries.map(({ attempt_id, outcome, cost_nano_usd, overrun_nano_usd }) => [attempt_id, outcome, cost_nano_usd, overrun_nano_usd])).toEqual([
		[`batch${number}-1-1`, "settled", "100", "0"],
		[`batch${number}-1-5`, "settled", "110", "0"],
		[`batch${number}-1-6`, "settled", "110", "0"],
	]);
	expect(await stand.findings(batchId)).toEqual([]);
	const { outputFileId } = await stand.batch(batchId);
	const output = stand.blobs.lines(`demo/files/${outputFileId}.jsonl`).map((line) => JSON.parse(line));
	expect(output.map(({ custom_id }) => custom_id).sort()).toEqual(["mine-1", "mine-2", "mine-3"]);
	expect(output.every(({ response }) => response.status_code === 200 && response.body.usage !== undefined)).toBe(true);
});

test("with both rules it goes with a second batch, and then in real time", async () => {
	const batchId = await stand.heldOfCaller(["Hello", USED], { mayResubmit: true, mayRelane: true });
	const { number } = await stand.batch(batchId);
	await stand.drive(batchId, stand.activities(said({ "i-2": { kind: "expired" } })));
	expect(await stand.outcomes(batchId)).toMatchObject([
		{ outcome: "succeeded", lane: "batch", try: 1 },
		{ outcome: "succeeded", lane: "real_time", try: 3 },
	]);
	expect(stand.billed(number)).toEqual([`batch${number}-1-6`]);
	expect(await stand.findings(batchId)).toEqual([]);
});

test("where its key does not say so nothing goes in real time", async () => {
	const batchId = await stand.heldOfCaller(["Hello", "Hello"], { mayResubmit: true, mayRelane: false });
	const { number } = await stand.batch(batchId);
	await stand.drive(batchId, stand.activities(said({ "i-2": { kind: "expired" } })));
	expect(await stand.outcomes(batchId)).toMatchObject([
		{ outcome: "succeeded", lane: "batch" },
		{ outcome: "expired", lane: "batch", try: 2 },
	]);
	expect(stand.billed(number)).toEqual([]);
	expect(await stand.findings(batchId)).toEqual([]);
});

test("a call of which nobody knows whether it ran is charged at its bound, is not sent again, and nothing is held a second time", async () => {
	const batchId = await stand.heldOfCaller(["Hello"], relane);
	let calls = 0;
	const call = async () => {
		calls++;
		return { kind: "unknown", why: "the call was cut" } as const;
	};
	await stand.drive(batchId, stand.activities({ ...said({ "i-1": { kind: "expired" } }), call }));
	expect(calls).toBe(1);
	expect(await stand.outcomes(batchId)).toMatchObject([{ outcome: "errored", lane: "real_time", try: 2 }]);
	expect(await stand.deferred.batches.entries(batchId)).toMatchObject([
		{ outcome: "unresolved", cost_nano_usd: BOUND_NANO_USD.toString(), overrun_nano_usd: "0" },
	]);
	expect(await stand.findings(batchId)).toEqual([]);
});
