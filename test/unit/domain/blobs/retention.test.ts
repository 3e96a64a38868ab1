import { expect, test } from "vitest";
import { fateOfBlob } from "#domain/blobs/retention.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 26);
const RETENTION = { keptDays: 30, keptDaysByPurpose: { batches: 7 } };
const fateOf = (key: string, days: number) => fateOfBlob({ key, writtenAtMs: NOW_MS - days * DAY_MS }, NOW_MS, RETENTION);
const isDue = (key: string, days: number) => fateOf(key, days) === "past";

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

test("an answer to a request that was handed in alone is kept as files are, its body for a day or until it is answered", () => {
	const filesKept = { ...RETENTION, keptDaysByPurpose: { files: 90 } };
	const answer = { key: "search/deferred/d1/answer", writtenAtMs: NOW_MS - 31 * DAY_MS };
	expect([fateOfBlob(answer, NOW_MS, RETENTION), fateOfBlob(answer, NOW_MS, filesKept)]).toEqual(["past", "kept"]);
	for (const body of ["search/deferred/d1/body", "search/deferred/d1/body-0a1b"])
		expect([fateOf(body, 1), fateOf(body, 1.01), fateOf(body, 400)]).toEqual(["kept", "past_unless_needed", "past_unless_needed"]);
});
