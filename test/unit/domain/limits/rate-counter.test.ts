import { describe, expect, test } from "vitest";
import { RateCounter } from "#domain/limits/rate-counter.ts";
import { SpentMinute } from "#domain/limits/spent-minute.ts";

const SECOND = 1_000;
const alone = (share: number) => ({ share, others: 0, othersShort: 0, holders: 1 });

describe("what was spent in the last minute", () => {
	test("counts for at least a minute and at most a second longer", () => {
		const spent = new SpentMinute();
		spent.add(5, 999);
		expect(spent.age(60_998)).toBe(0);
		expect(spent.age(60_999)).toBe(0); // exactly a minute
		expect(spent.age(61_000)).toBe(5);
		expect(spent.age(200_000)).toBe(0);
	});

	test("is taken back from the second it was spent in, and from no other", () => {
		const spent = new SpentMinute();
		spent.add(5, 0);
		spent.add(7, 3 * SECOND);
		expect(spent.takeBack(9, 500)).toBe(5);
		expect(spent.takeBack(2, 3 * SECOND)).toBe(2);
		expect(spent.takeBack(1, 2 * SECOND)).toBe(0);
		expect(spent.age(61 * SECOND)).toBe(0);
		expect(spent.age(64 * SECOND)).toBe(5);
	});

	test("says when it ages", () => {
		const spent = new SpentMinute();
		expect(spent.agesInMs(0)).toBeNull();
		spent.add(1, 10 * SECOND);
		expect(spent.agesInMs(11 * SECOND)).toBe(60 * SECOND);
	});

	test("stays small over an hour of spending", () => {
		const spent = new SpentMinute();
		let total = 0;
		for (let second = 0; second < 3_600; second++) {
			spent.add(1, second * SECOND);
			total += 1 - spent.age(second * SECOND);
		}
		expect(total).toBe(61);
	});
});

describe("a counter", () => {
	test("has the room of its share, and what ages comes free", () => {
		const counter = new RateCounter("c", "requests", 10);
		expect(counter.room(0)).toBe(0);
		counter.confirm(alone(4), 0);
		counter.take(4, 0);
		expect(counter.room(0)).toBe(0);
		expect(counter.room(61 * SECOND)).toBe(4);
	});

	test("of calls in flight never ages", () => {
		const counter = new RateCounter("c", "in_flight", 2);
		counter.confirm(alone(2), 0);
		counter.take(2, 0);
		expect(counter.room(10_000 * SECOND)).toBe(0);
		counter.giveBack(1, 0, 10_000 * SECOND);
		expect(counter.room(10_000 * SECOND)).toBe(1);
	});

	test("uses nothing under a lowered limit before PostgreSQL has said how much of its share stays", () => {
		const counter = new RateCounter("c", "requests", 10);
		counter.confirm(alone(6), 0);
		counter.take(1, 0);
		counter.setLimit(3);
		expect(counter.room(0)).toBe(0);
		expect(counter.releaseShare(10, 0, false)).toBe(1);
		counter.confirm({ share: 1, others: 1, othersShort: 0, holders: 2 }, 0);
		expect(counter.room(0)).toBe(0);
	});

	test("uses no more than a fair part again while all shares are above the limit", () => {
		const counter = new RateCounter("c", "requests", 10);
		counter.confirm(alone(10), 0);
		counter.take(10, 0);
		counter.setLimit(4);
		counter.confirm({ share: 10, others: 10, othersShort: 0, holders: 2 }, 0);
		expect(counter.room(61 * SECOND)).toBe(2);
	});

	test("gives back to others who are short what it did not spend lately", () => {
		const counter = new RateCounter("c", "requests", 10);
		counter.confirm(alone(10), 0);
		counter.take(2, 0);
		counter.recall(2, 30 * SECOND);
		expect(counter.releaseShare(1, 30 * SECOND, false)).toBe(2);
	});

	test("keeps a tenth beside what it uses, once a tidying has passed without need of more", () => {
		const counter = new RateCounter("c", "requests", 100);
		counter.confirm(alone(50), 0);
		counter.take(5, 0);
		expect(counter.releaseShare(10, 0, true)).toBe(50);
		expect(counter.releaseShare(10, SECOND, true)).toBe(15);
	});

	test("tells what a call took beyond its bound, though no share covers it", () => {
		const counter = new RateCounter("c", "tokens", 100);
		counter.confirm(alone(10), 0);
		counter.take(10, 0);
		counter.take(5, 0);
		expect(counter.releaseShare(0, 0, false)).toBe(15);
	});
});
