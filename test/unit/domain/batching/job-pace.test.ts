import { expect, test } from "vitest";
import { decideSubmitRoom, pollDelayMs, retryDelayMs } from "#domain/batching/job-pace.ts";

test("a batch is looked at after a fifth of the time it waited, from half a minute to a quarter of an hour", () => {
	expect([0, 100_000, 600_000, 3_600_000, 80_000_000].map((waitedMs) => pollDelayMs(waitedMs, 0.5))).toEqual([30_000, 30_000, 120_000, 720_000, 900_000]);
	expect([0, 1].map((jitter) => pollDelayMs(3_600_000, jitter))).toEqual([648_000, 792_000]);
	expect(pollDelayMs(3_600_000, 0.5, true)).toBe(60_000);
	expect(pollDelayMs(-5, 0.5)).toBe(30_000);
});

test("a day takes some 115 looks", () => {
	let [atMs, looks] = [0, 0];
	while (atMs < 86_400_000) {
		atMs += pollDelayMs(atMs, 0.5);
		looks++;
	}
	expect(looks).toBeGreaterThan(100);
	expect(looks).toBeLessThan(120);
});

test("what failed is tried again after 5 seconds, doubling to a quarter of an hour, of which half is jitter, and not before it was asked to", () => {
	expect([1, 2, 3, 8, 9, 50].map((failures) => retryDelayMs(failures, 1))).toEqual([5_000, 10_000, 20_000, 640_000, 900_000, 900_000]);
	expect(retryDelayMs(1, 0)).toBe(2_500);
	expect(retryDelayMs(1, 0, 60_000)).toBe(60_000);
});

const HOUR = 3_600_000;
const load = { nowMs: 10 * HOUR, submittedAtMs: [], waitingTokens: 0, partTokens: 10 };
const limits = { batchesPerHour: undefined, enqueuedTokensMax: undefined };

test("batches an hour: the next one goes when the one too many is an hour old", () => {
	const submittedAtMs = [9.9 * HOUR, 9.2 * HOUR, 8.5 * HOUR];
	expect(decideSubmitRoom({ ...load, submittedAtMs }, { ...limits, batchesPerHour: 3 })).toEqual({ kind: "room" });
	expect(decideSubmitRoom({ ...load, submittedAtMs }, { ...limits, batchesPerHour: 2 })).toMatchObject({ kind: "wait", waitMs: 0.2 * HOUR });
	expect(decideSubmitRoom({ ...load, submittedAtMs }, { ...limits, batchesPerHour: 1 })).toMatchObject({ kind: "wait", waitMs: 0.9 * HOUR });
});

test("enqueued tokens: a part waits for others, and goes by itself whatever it has", () => {
	expect(decideSubmitRoom({ ...load, waitingTokens: 90 }, { ...limits, enqueuedTokensMax: 100 })).toEqual({ kind: "room" });
	expect(decideSubmitRoom({ ...load, waitingTokens: 91 }, { ...limits, enqueuedTokensMax: 100 })).toMatchObject({
		kind: "wait",
		why: "91 of 100 tokens wait at the provider",
	});
	expect(decideSubmitRoom({ ...load, partTokens: 500 }, { ...limits, enqueuedTokensMax: 100 })).toEqual({ kind: "room" });
});
