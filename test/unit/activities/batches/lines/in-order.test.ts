import { expect, test } from "vitest";
import { inOrder } from "#activities/batches/lines/in-order.ts";

/** Work that ends when it is told to. */
function heldWork() {
	const ends = new Map<number, (error?: Error) => void>();
	const work = (item: number) =>
		new Promise<number>((resolve, reject) => {
			ends.set(item, (error) => (error === undefined ? resolve(item) : reject(error)));
		});
	return { ends, work };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const bounds = { countMax: 3, bytesMax: 100, bytesOf: (item: number) => item };

test("what ends early waits for what stands before it, and no more begins than its bounds allow", async () => {
	const { ends, work } = heldWork();
	const results: number[] = [];
	const reading = (async () => {
		for await (const result of inOrder([10, 20, 30, 40, 500, 60], bounds, work)) results.push(result);
	})();
	await turn();
	expect([...ends.keys()]).toEqual([10, 20, 30]);
	ends.get(20)?.();
	await turn();
	expect(results).toEqual([]);
	ends.get(10)?.();
	await turn();
	// 30 and 40 are under way; what is too large beside them waits until it is alone.
	expect([results, [...ends.keys()]]).toEqual([
		[10, 20],
		[10, 20, 30, 40],
	]);
	for (const item of [30, 40]) ends.get(item)?.();
	await turn();
	expect([...ends.keys()]).toEqual([10, 20, 30, 40, 500]);
	ends.get(500)?.();
	await turn();
	ends.get(60)?.();
	await reading;
	expect(results).toEqual([10, 20, 30, 40, 500, 60]);
});

test("it rejects as the first that does, when nothing is under way any more", async () => {
	const { ends, work } = heldWork();
	let isOver = false;
	const reading = (async () => {
		for await (const _ of inOrder([1, 2, 3], bounds, work));
	})().finally(() => {
		isOver = true;
	});
	const failure = reading.catch((error: unknown) => error);
	await turn();
	ends.get(2)?.(new Error("second"));
	ends.get(1)?.(new Error("first"));
	await turn();
	expect(isOver).toBe(false);
	ends.get(3)?.();
	expect(await failure).toMatchObject({ message: "first" });
});
