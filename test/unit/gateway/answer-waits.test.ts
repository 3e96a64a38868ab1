import { describe, expect, test } from "vitest";
import { Departure } from "#activities/request/leaving.ts";
import { AnswerWaits } from "#gateway/deferred/answer-waits.ts";

/** Those who wait for answers share one question. */

function stand(waitersMax?: number) {
	const asked: (readonly string[])[] = [];
	const answeredIds = new Set<string>();
	const errors: unknown[] = [];
	let failing: Error | undefined;
	const fail = (error: Error | undefined): void => {
		failing = error;
	};
	const store = {
		async answered(ids: readonly string[]): Promise<readonly string[]> {
			asked.push(ids);
			if (failing !== undefined) throw failing;
			return ids.filter((id) => answeredIds.has(id));
		},
	};
	const waits = new AnswerWaits({ store, onError: (error) => errors.push(error), lookEveryMs: 5, waitersMax });
	return { waits, asked, answeredIds, errors, fail };
}

const LONG_MS = 30_000;

describe("who waits", () => {
	test("is told with all others of his item, by one question for all items", async () => {
		const { waits, asked, answeredIds } = stand();
		const told: string[] = [];
		const wait = (id: string) => waits.wait(id, LONG_MS, new Departure()).then(() => void told.push(id));
		const waiting = [wait("a"), wait("a"), wait("b")];
		await expect.poll(() => asked.length).toBeGreaterThan(0);
		expect(asked[0]).toEqual(["a", "b"]);
		answeredIds.add("a");
		await Promise.all(waiting.slice(0, 2));
		expect(told).toEqual(["a", "a"]);
		await expect.poll(() => asked.at(-1)).toEqual(["b"]);
		answeredIds.add("b");
		await Promise.all(waiting);
	});

	test("hears nothing of a question that failed, which is told to operators, and of the next one", async () => {
		const { waits, answeredIds, errors, fail } = stand();
		fail(new Error("PostgreSQL is away"));
		const waiting = waits.wait("a", LONG_MS, new Departure());
		await expect.poll(() => errors.length).toBeGreaterThan(1);
		answeredIds.add("a");
		fail(undefined);
		await waiting;
	});

	test("is let go when his time is over, when he leaves, and when the gateway ends", async () => {
		const { waits } = stand(2);
		const caller = new Departure();
		await waits.wait("a", 1, new Departure());
		const [leaving, staying] = [waits.wait("a", LONG_MS, caller), waits.wait("a", LONG_MS, new Departure())];
		expect(waits.isFull).toBe(true);
		caller.leave();
		await leaving;
		expect(waits.isFull).toBe(false);
		waits.beginDrain();
		await staying;
		await waits.wait("a", LONG_MS, new Departure());
	});
});
