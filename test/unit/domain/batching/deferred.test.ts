import { describe, expect, test } from "vitest";
import { DEADLINE_MAX_MS, DEADLINE_MIN_MS, DEFERRED_ID_PATTERN, deferredStatus, readDeadline } from "#domain/batching/deferred.ts";

const NOW_MS = Date.parse("2026-12-01T09:00:00Z");

describe("a deadline", () => {
	test.each([
		["60s", DEADLINE_MIN_MS],
		["30m", 1_800_000],
		["6h", 21_600_000],
		["7d", DEADLINE_MAX_MS],
		["2026-12-01T10:00:00Z", 3_600_000],
		["2026-12-01T11:30:00.5+01:00", 5_400_500],
	])("%s is a time from now, or an instant", (text, aheadMs) => {
		expect(readDeadline(text, NOW_MS)).toEqual({ kind: "deadline", deadlineMs: NOW_MS + aheadMs });
	});

	test.each([
		["59s", "at least a minute"],
		["0s", "past"],
		["8d", "at most seven days"],
		["2026-12-01T08:59:59Z", "past"],
		["2026-12-09T09:00:00Z", "at most seven days"],
		["2026-12-01T10:00:00", "a deadline is a span"],
		["2026-13-01T10:00:00Z", "a deadline is a span"],
		["soon", "a deadline is a span"],
		["6 h", "a deadline is a span"],
		["", "a deadline is a span"],
	])("%s is refused, with why", (text, words) => {
		const kind = words === "past" || words.includes("minute") ? "too_soon" : "invalid";
		expect(readDeadline(text, NOW_MS)).toMatchObject({ kind, message: expect.stringContaining(words) });
	});
});

test("an id has its mark and 24 letters or digits", () => {
	expect(DEFERRED_ID_PATTERN.test(`deferred_${"a1".repeat(12)}`)).toBe(true);
	for (const id of [`deferred_${"a".repeat(23)}`, `deferred_${"a".repeat(25)}`, `batch_${"a".repeat(24)}`, `deferred_${"-".repeat(24)}`])
		expect(DEFERRED_ID_PATTERN.test(id)).toBe(false);
});

describe("how an item stands", () => {
	const open = { batchState: "collecting", outcome: null, isCarried: false, isAnswered: false } as const;
	test.each([
		["collecting", open],
		["waiting", { ...open, batchState: "held" }],
		["running", { ...open, batchState: "running", isCarried: true }],
		["running", { ...open, batchState: "running", outcome: "succeeded", isCarried: true }],
		["succeeded", { ...open, batchState: "running", outcome: "succeeded", isCarried: true, isAnswered: true }],
		["failed", { ...open, batchState: "completed", outcome: "errored", isAnswered: true }],
		["expired", { ...open, batchState: "expired", outcome: "expired", isAnswered: true }],
		["cancelled", { ...open, outcome: "cancelled", isAnswered: true }],
	] as const)("%s", (status, standing) => {
		expect(deferredStatus(standing)).toBe(status);
	});
});
