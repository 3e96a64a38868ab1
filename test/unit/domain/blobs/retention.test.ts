import { expect, test } from "vitest";
import { isPastRetention } from "#domain/blobs/retention.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 26);
const RETENTION = { keptDays: 30, keptDaysByPurpose: { batches: 7 } };
const isDue = (key: string, days: number) => isPastRetention({ key, writtenAtMs: NOW_MS - days * DAY_MS }, NOW_MS, RETENTION);

test("a blob is due when more than its days have passed", () => {
	expect([isDue("search/files/f1", 29), isDue("search/files/f1", 30), isDue("search/files/f1", 30.01)]).toEqual([false, false, true]);
});

test("a purpose that has a time of its own goes by it", () => {
	expect([isDue("search/batches/b1/part-1.jsonl", 7), isDue("search/batches/b1/part-1.jsonl", 7.01)]).toEqual([false, true]);
	expect([isDue("search/others/x", 7.01), isDue("search/others/x", 31)]).toEqual([false, true]);
});

test("what a wrong clock wrote in the future is kept", () => {
	expect(isDue("search/files/f1", -400)).toBe(false);
});
