import { expect, test } from "vitest";
import { RealTimePaces } from "#activities/batches/job/real-time-pace.ts";

const NOW = 1_700_000_000_000;

test("a deployment has one pace, and another has its own", () => {
	const paces = new RealTimePaces();
	paces.of("openai/m-1", NOW).refused(NOW, null);
	expect(paces.of("openai/m-1", NOW).rate.itemsPerSecond).toBe(10);
	expect(paces.of("openai/m-2", NOW)).toMatchObject({ concurrency: 8, rate: { itemsPerSecond: 20, burst: 20 } });
});

test("refusals at once slow it down once, for as long as the longest of them says; each further one for longer", () => {
	const pace = new RealTimePaces().of("openai/m-1", NOW);
	for (const retryAfterMs of [null, 5_000, 2_000]) pace.refused(NOW, retryAfterMs);
	expect([pace.pausedForMs(NOW), pace.rate.itemsPerSecond]).toEqual([5_000, 10]);
	pace.refused(NOW + 5_000, null);
	expect([pace.pausedForMs(NOW + 5_000), pace.rate.itemsPerSecond, pace.bucket.tokens]).toEqual([2_000, 5, 1]);
	for (let time = 0, atMs = NOW + 7_000; time < 20; time++, atMs += pace.pausedForMs(atMs)) pace.refused(atMs, null);
	expect(pace.rate).toEqual({ itemsPerSecond: 1, burst: 1 });
});

test("answers give it back, and no more than that", () => {
	const pace = new RealTimePaces().of("openai/m-1", NOW);
	pace.refused(NOW, 0);
	for (let answer = 0; answer < 3; answer++) pace.answered();
	expect(pace.rate.itemsPerSecond).toBe(16);
	for (let answer = 0; answer < 10; answer++) pace.answered();
	expect(pace.rate).toEqual({ itemsPerSecond: 20, burst: 20 });
});
