import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CurrentPriceBook } from "#activities/pricebooks/port.ts";
import { CurrentPrices } from "#activities/request/current-prices.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A price that begins after a second; PostgreSQL is away while `isAway`. */
function open() {
	const world = { isAway: false, reads: 0, errors: [] as unknown[] };
	const read = async (): Promise<CurrentPriceBook> => {
		world.reads++;
		if (world.isAway) throw new Error("PostgreSQL is away");
		const book = { version: world.reads, lines: [], find: () => undefined } as unknown as CurrentPriceBook["book"];
		return { book, msUntilNextPrice: world.reads === 1 ? 1_000 : undefined };
	};
	return { world, prices: new CurrentPrices(read, (error) => world.errors.push(error)) };
}

describe("a dated price", () => {
	test("is read when it begins, and then never again", async () => {
		const { world, prices } = open();
		await prices.load();
		await vi.advanceTimersByTimeAsync(86_400_000);
		expect([world.reads, prices.book.version]).toEqual([2, 2]);
	});

	test("that cannot be read when it begins is asked for until it can, less and less often", async () => {
		const { world, prices } = open();
		await prices.load();
		world.isAway = true;
		await vi.advanceTimersByTimeAsync(1_001 + 1_000 + 2_000);
		expect([world.reads, world.errors.length]).toEqual([4, 3]);
		await vi.advanceTimersByTimeAsync(3_600_000);
		const readsAnHour = world.reads - 4;
		expect([readsAnHour >= 60, readsAnHour <= 65]).toEqual([true, true]);
		world.isAway = false;
		await vi.advanceTimersByTimeAsync(60_000);
		expect(prices.book.version).toBe(world.reads);
		const readsBefore = world.reads;
		await vi.advanceTimersByTimeAsync(86_400_000);
		expect(world.reads).toBe(readsBefore);
	});

	test("is not asked for by a gateway that has stopped", async () => {
		const { world, prices } = open();
		await prices.load();
		world.isAway = true;
		await vi.advanceTimersByTimeAsync(1_001);
		prices.stop();
		await vi.advanceTimersByTimeAsync(3_600_000);
		expect(world.reads).toBe(2);
	});
});
