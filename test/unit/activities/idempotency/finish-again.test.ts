import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FinishAgain } from "#activities/idempotency/finish-again.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const MINUTES_MS = 60_000;

test("an ending is tried until it works, and is over once", async () => {
	let tries = 0;
	const onOver = vi.fn<() => void>();
	const work = async (): Promise<void> => {
		tries += 1;
		if (tries < 4) throw new Error("away");
	};
	new FinishAgain().start(work, onOver);
	await vi.advanceTimersByTimeAsync(5 * MINUTES_MS);
	expect(tries).toBe(4);
	expect(onOver).toHaveBeenCalledTimes(1);
});

test("it is given up after some minutes", async () => {
	let tries = 0;
	const onOver = vi.fn<() => void>();
	const work = async (): Promise<void> => {
		tries += 1;
		throw new Error("away");
	};
	new FinishAgain().start(work, onOver);
	await vi.advanceTimersByTimeAsync(60 * MINUTES_MS);
	expect(onOver).toHaveBeenCalledTimes(1);
	expect(tries).toBeGreaterThan(10);
	expect(vi.getTimerCount()).toBe(0);
});

test("only so many wait, each may hold an answer", () => {
	const again = new FinishAgain();
	const onOver = vi.fn<() => void>();
	for (let index = 0; index < 100; index += 1) again.start(() => Promise.resolve(), onOver);
	expect(onOver.mock.calls.length).toBe(100 - vi.getTimerCount());
	expect(vi.getTimerCount()).toBe(64);
	again.stop();
	expect(vi.getTimerCount()).toBe(0);
});
