import { expect, test } from "vitest";
import { InFlightLimit } from "#clients/in-flight-limit.ts";

function controlled() {
	const open: (() => void)[] = [];
	let running = 0;
	let most = 0;
	const call = async (fails = false): Promise<void> => {
		running++;
		most = Math.max(most, running);
		await new Promise<void>((resolve) => open.push(resolve));
		running--;
		if (fails) throw new Error("refused");
	};
	return { open, call, most: () => most };
}

test("no more than the limit run at once for a key, in the order they came, and failures give their place on", async () => {
	const limit = new InFlightLimit(2);
	const { open, call, most } = controlled();
	const done: number[] = [];
	const calls = [0, 1, 2, 3, 4].map((index) =>
		limit
			.run("a", () => call(index === 0))
			.then(
				() => done.push(index),
				() => done.push(index),
			),
	);
	for (let finished = 0; finished < 5; finished++) {
		await expect.poll(() => open.length).toBeGreaterThan(0);
		open.shift()!();
		await expect.poll(() => done.length).toBe(finished + 1);
	}
	await Promise.all(calls);
	expect(most()).toBe(2);
	expect(done).toEqual([0, 1, 2, 3, 4]);
});

test("keys do not wait for each other", async () => {
	const limit = new InFlightLimit(1);
	const { open, call, most } = controlled();
	const calls = [limit.run("a", () => call()), limit.run("b", () => call())];
	await expect.poll(() => open.length).toBe(2);
	for (const resolve of open) resolve();
	await Promise.all(calls);
	expect(most()).toBe(2);
});
