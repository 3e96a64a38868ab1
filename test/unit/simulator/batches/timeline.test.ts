import { expect, test } from "vitest";
import { pageOf } from "../../../../simulator/batches/pages.ts";
import { NO_USAGE } from "../../../../simulator/batches/records.ts";
import { endOf, itemsDue, nextLookMs, type RunningBatch, turnaroundOf, validatedAtMs, WINDOW_MS } from "../../../../simulator/batches/timeline.ts";

const HOUR_MS = 3_600_000;

function batch(change: Partial<RunningBatch> = {}): RunningBatch {
	return {
		id: "batch_1",
		ordinal: 1,
		protocol: "openai",
		endpoint: "/v1/chat/completions",
		inputFileId: null,
		metadata: null,
		resultsKeptMs: 0,
		plan: {},
		phase: "running",
		end: null,
		problems: [],
		model: "gpt-4o",
		total: 100,
		promptTokens: 0,
		createdAtMs: 0,
		expiresAtMs: WINDOW_MS,
		startedAtMs: 0,
		cancelAskedAtMs: null,
		finalizingAtMs: null,
		endedAtMs: null,
		done: 0,
		inputByte: 0,
		workBytes: 0,
		succeeded: 0,
		errored: 0,
		stuck: 0,
		expired: 0,
		cancelled: 0,
		usage: NO_USAGE,
		outputFileId: null,
		errorFileId: null,
		...change,
	};
}

test("items finish evenly over the turnaround", () => {
	expect([0, 30_000, 599_999, 600_000, 9_000_000].map((atMs) => itemsDue(batch(), 600_000, atMs))).toEqual([0, 5, 99, 100, 100]);
	expect(itemsDue(batch(), 0, 0)).toBe(100);
	expect(itemsDue(batch({ startedAtMs: 5_000 }), 600_000, 4_000)).toBe(0);
});

test("none begins after a cancellation, or after the window", () => {
	expect(itemsDue(batch({ cancelAskedAtMs: 300_000 }), 600_000, 900_000)).toBe(50);
	expect(itemsDue(batch(), 2 * WINDOW_MS, 3 * WINDOW_MS)).toBe(50);
});

test("a batch ends when it is worked off, cancelled or out of its window, whichever comes first", () => {
	expect(endOf(batch(), HOUR_MS)).toEqual({ atMs: HOUR_MS, end: "completed" });
	expect(endOf(batch(), 2 * WINDOW_MS)).toEqual({ atMs: WINDOW_MS, end: "expired" });
	expect(endOf(batch({ stuck: 1 }), HOUR_MS)).toEqual({ atMs: WINDOW_MS, end: "expired" });
	expect(endOf(batch({ cancelAskedAtMs: 10, plan: { cancelMs: 90 } }), HOUR_MS)).toEqual({ atMs: 100, end: "cancelled" });
	expect(endOf(batch({ cancelAskedAtMs: HOUR_MS + 1 }), HOUR_MS)).toEqual({ atMs: HOUR_MS, end: "completed" });
	expect(endOf(batch({ cancelAskedAtMs: WINDOW_MS - 1, stuck: 1 }), HOUR_MS)).toEqual({ atMs: WINDOW_MS, end: "expired" });
});

test("the next look is later than now, and never later than the end", () => {
	for (const turnaroundMs of [1, 7, 1_000, HOUR_MS, 3 * WINDOW_MS]) {
		let nowMs = 0;
		let looks = 0;
		for (let done = 0; nowMs < endOf(batch(), turnaroundMs).atMs; done = itemsDue(batch(), turnaroundMs, nowMs)) {
			const next = nextLookMs(batch({ done }), turnaroundMs, nowMs);
			expect(next).toBeGreaterThan(nowMs);
			expect(next).toBeLessThanOrEqual(endOf(batch(), turnaroundMs).atMs);
			nowMs = next;
			looks += 1;
		}
		expect(looks).toBeLessThanOrEqual(66);
	}
});

test("a plan goes before the dice", () => {
	expect(turnaroundOf({ plan: { turnaroundMs: 5 }, ordinal: 1 }, 1)).toBe(5);
	expect(turnaroundOf({ plan: {}, ordinal: 1 }, 1)).toBeGreaterThan(60_000);
	expect(validatedAtMs({ createdAtMs: 10, plan: { validationMs: 5 } })).toBe(15);
});

test("pages go on behind an id, and before one", () => {
	const entries = ["e", "d", "c", "b", "a"].map((id) => ({ id }));
	const ids = (query: string) => {
		const { entries: found, hasMore } = pageOf(entries, new URLSearchParams(query), { limitDefault: 2, limitMax: 4 });
		return [found.map(({ id }) => id).join(""), hasMore];
	};
	expect(ids("")).toEqual(["ed", true]);
	expect(ids("after=d&limit=2")).toEqual(["cb", true]);
	expect(ids("after_id=b")).toEqual(["a", false]);
	expect(ids("before_id=b&limit=2")).toEqual(["dc", true]);
	expect(ids("before_id=c&limit=4")).toEqual(["ed", false]);
	expect(() => ids("after=x")).toThrow("nothing has the id x");
	expect(() => ids("limit=0")).toThrow("limit");
	expect(() => ids("limit=5")).toThrow("limit");
});
