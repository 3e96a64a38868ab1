import { describe, expect, test } from "vitest";
import { COLLECT_AGE_MS } from "#domain/batching/collect.ts";
import { EMPTY_FOR_MS, FLUSH_GAP_MS, nextCollectorMove, planFlushes } from "#domain/batching/collector-plan.ts";
import { reduceCollector } from "#domain/batching/collector-reducer.ts";
import { type CollectorState, emptyCollector } from "#domain/batching/collector-state.ts";
import { collectorPicture, collectorState, STARTS_AT_MS, type TestBatch } from "#test/support/collector-pictures.ts";
import { collectorScope } from "#test/support/memory-collector.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Of the picture: turnaround, a call in real time, and the margin. */
const NEEDED_MS = 2 * HOUR_MS + 6 * MINUTE_MS;
const flush = (reason: string, of: object = {}) => ({ kind: "flush", batchId: "batch_1", version: null, reason, ...of });
const read = { kind: "read" } as const;
/** As it is read again at that time, with the same rows. */
const readAt = (state: CollectorState, nowMs: number, skewMs = 0) =>
	reduceCollector(state, { kind: "read", picture: { ...state.picture!, clockMs: nowMs + skewMs }, nowMs });
const flushedAt = (state: CollectorState, nowMs: number, batchId = "batch_0") =>
	reduceCollector(state, { kind: "flushed", batchId, reason: "age", items: 3, nowMs });

describe("a collector reads", () => {
	test("before anything else, and when it is told; after a step that failed when that is due, or it is told again", () => {
		const fresh = emptyCollector(collectorScope());
		expect(nextCollectorMove(fresh, STARTS_AT_MS)).toEqual(read);
		expect(nextCollectorMove(reduceCollector(collectorState([{}]), { kind: "told" }), STARTS_AT_MS)).toEqual(read);
		const failed = reduceCollector(fresh, { kind: "failed", step: read, message: "away", nowMs: STARTS_AT_MS, jitter: 1 });
		expect(failed.trouble).toEqual({ atMs: STARTS_AT_MS, step: "read", message: "away" });
		expect(nextCollectorMove(failed, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + 5_000 });
		expect(nextCollectorMove(reduceCollector(failed, { kind: "told" }), STARTS_AT_MS)).toEqual(read);
		let away = failed;
		for (let failures = 2; failures < 20; failures++) away = reduceCollector(away, { kind: "failed", step: read, message: "", nowMs: STARTS_AT_MS, jitter: 1 });
		expect(nextCollectorMove(away, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + MINUTE_MS });
		expect(nextCollectorMove(failed, STARTS_AT_MS + 5_000)).toEqual(read);
	});

	test("again before it acts on what it read long ago", () => {
		const state = collectorState([{}]);
		const dueAtMs = STARTS_AT_MS + COLLECT_AGE_MS;
		expect(nextCollectorMove(state, dueAtMs)).toEqual(read);
		expect(nextCollectorMove(readAt(state, dueAtMs), dueAtMs)).toEqual(flush("age"));
	});
});

describe("a collector waits", () => {
	test("for the age of its first item, and not for quiet, which it is told", () => {
		expect(nextCollectorMove(collectorState([{ items: 5 }]), STARTS_AT_MS + 1)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + COLLECT_AGE_MS });
	});

	test("no longer than the deadline that a batch can keep lets it", () => {
		const deadlineMs = STARTS_AT_MS + NEEDED_MS + 3 * MINUTE_MS;
		const state = collectorState([{ of: { deadlineMs }, reachableDeadlineMs: deadlineMs }]);
		const dueAtMs = STARTS_AT_MS + 3 * MINUTE_MS;
		expect(nextCollectorMove(state, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: dueAtMs });
		expect(nextCollectorMove(readAt(state, dueAtMs), dueAtMs)).toEqual(flush("latest_start"));
	});

	test("with items that no batch brings in time until a call has to begin", () => {
		const deadlineMs = STARTS_AT_MS + 10 * MINUTE_MS;
		const state = collectorState([{ of: { deadlineMs } }]);
		expect(nextCollectorMove(state, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + 4 * MINUTE_MS });
		const dueAtMs = STARTS_AT_MS + 4 * MINUTE_MS;
		expect(nextCollectorMove(readAt(state, dueAtMs), dueAtMs)).toEqual(flush("real_time"));
	});

	test("five seconds from one flush to the next, unless it is full", () => {
		const due = { of: { arrivedAtMs: STARTS_AT_MS - COLLECT_AGE_MS } };
		const soon = flushedAt(collectorState([due]), STARTS_AT_MS);
		expect(nextCollectorMove(soon, STARTS_AT_MS + 1)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + FLUSH_GAP_MS });
		expect(nextCollectorMove(soon, STARTS_AT_MS + FLUSH_GAP_MS)).toEqual(flush("age"));
		const late = { of: { deadlineMs: STARTS_AT_MS + 1_000 } };
		expect(nextCollectorMove(flushedAt(collectorState([late]), STARTS_AT_MS), STARTS_AT_MS + 1)).toMatchObject({ kind: "wait" });
		for (const full of [{ items: 90 }, { items: 9, of: { bytes: 100_000 } }])
			expect(nextCollectorMove(flushedAt(collectorState([full]), STARTS_AT_MS), STARTS_AT_MS + 1)).toMatchObject({ kind: "flush" });
	});

	test("by PostgreSQL's clock, which may be another", () => {
		const skewMs = 30_000;
		const state = reduceCollector(emptyCollector(collectorScope()), {
			kind: "read",
			picture: collectorPicture([{}]),
			nowMs: STARTS_AT_MS - skewMs,
		});
		expect(nextCollectorMove(state, STARTS_AT_MS - skewMs)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + COLLECT_AGE_MS - skewMs });
		expect(nextCollectorMove(state, STARTS_AT_MS + COLLECT_AGE_MS - skewMs)).toEqual(read);
	});
});

describe("without room at the provider", () => {
	const due: TestBatch = { items: 2, of: { arrivedAtMs: STARTS_AT_MS - COLLECT_AGE_MS } };

	test.each([
		["no batch within the hour", { batchesLeft: 0 }, "no_batches_left"],
		["no prompt of it", { enqueuedTokens: 95, limits: { ...collectorPicture([]).limits, enqueuedTokensMax: 100 } }, "no_tokens_left"],
		["not all of it", { enqueuedTokens: 85, limits: { ...collectorPicture([]).limits, enqueuedTokensMax: 100 } }, "no_tokens_left"],
	])("it collects on and asks again in a minute: %s", (_, picture, reason) => {
		const state = collectorState([due], picture);
		expect(planFlushes(state, STARTS_AT_MS)).toMatchObject([{ kind: "look", reason }]);
		expect(nextCollectorMove(state, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + MINUTE_MS });
		expect(nextCollectorMove(state, STARTS_AT_MS + MINUTE_MS)).toEqual(read);
	});

	test("items that have to go in real time go all the same", () => {
		const deadlineMs = STARTS_AT_MS + 6 * MINUTE_MS + 20_000;
		const state = collectorState([{ ...due, of: { ...due.of, deadlineMs }, reachableDeadlineMs: deadlineMs }], { batchesLeft: 0 });
		expect(nextCollectorMove(state, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + 20_000 });
		expect(nextCollectorMove(readAt(state, STARTS_AT_MS + 20_000), STARTS_AT_MS + 20_000)).toEqual(flush("real_time"));
	});

	test("what is larger than everything the provider takes goes when nothing else waits there", () => {
		const limits = { ...collectorPicture([]).limits, enqueuedTokensMax: 100 };
		expect(nextCollectorMove(collectorState([{ items: 12 }], { limits }), STARTS_AT_MS)).toEqual(flush("enqueued_tokens"));
	});
});

describe("a flush", () => {
	test("for quiet goes only if nothing came since; for any other reason more items change nothing", () => {
		const quiet = collectorState([{ items: 2, of: { arrivedAtMs: STARTS_AT_MS - 40_000 } }]);
		expect(nextCollectorMove(quiet, STARTS_AT_MS)).toEqual(flush("quiet", { version: "7" }));
		const refused = reduceCollector(quiet, { kind: "flushed", batchId: "batch_1", reason: "quiet", items: null, nowMs: STARTS_AT_MS });
		expect(nextCollectorMove(refused, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: STARTS_AT_MS + 1_000 });
		expect(nextCollectorMove(refused, STARTS_AT_MS + 1_000)).toEqual(read);
	});

	test("takes one batch after the other, the oldest first", () => {
		const both = collectorState([{ items: 95 }, { batchId: "batch_2", items: 95 }]);
		expect(nextCollectorMove(both, STARTS_AT_MS)).toEqual(flush("count"));
		const one = flushedAt(both, STARTS_AT_MS, "batch_1");
		expect(nextCollectorMove(one, STARTS_AT_MS)).toEqual(flush("count", { batchId: "batch_2" }));
		expect(one).toMatchObject({ flushes: 1, flushedItems: 3, lastFlush: { batchId: "batch_1", items: 3, reason: "age" }, emptySinceMs: null });
		expect(flushedAt(one, STARTS_AT_MS, "batch_2")).toMatchObject({ flushes: 2, flushedItems: 6, emptySinceMs: STARTS_AT_MS });
	});

	test("that an operator asked for goes at once, whatever the provider has room for, and is over with the last batch", () => {
		const state = reduceCollector(flushedAt(collectorState([{}], { batchesLeft: 0 }), STARTS_AT_MS), { kind: "asked", by: "ann" });
		expect(nextCollectorMove(state, STARTS_AT_MS)).toEqual(read);
		const known = readAt(state, STARTS_AT_MS);
		expect(nextCollectorMove(known, STARTS_AT_MS)).toEqual(flush("asked"));
		expect(known.askedBy).toBe("ann");
		expect(flushedAt(known, STARTS_AT_MS, "batch_1").askedBy).toBeNull();
		expect(readAt(reduceCollector(collectorState([]), { kind: "asked", by: "ann" }), STARTS_AT_MS).askedBy).toBeNull();
	});
});

describe("a collector ends", () => {
	test("when it was empty for a day, and looked once more", () => {
		const empty = flushedAt(collectorState([{}]), STARTS_AT_MS, "batch_1");
		const endsAtMs = STARTS_AT_MS + EMPTY_FOR_MS;
		expect(nextCollectorMove(empty, STARTS_AT_MS)).toEqual({ kind: "wait", untilMs: endsAtMs });
		expect(nextCollectorMove(empty, endsAtMs)).toEqual(read);
		expect(nextCollectorMove(readAt(empty, endsAtMs), endsAtMs)).toEqual({ kind: "done" });
	});

	test("never with something in it", () => {
		const ending = readAt(reduceCollector(collectorState([{}]), { kind: "ending" }), STARTS_AT_MS);
		expect(nextCollectorMove(ending, STARTS_AT_MS)).toEqual(flush("ending"));
		const failed = reduceCollector(ending, { kind: "failed", step: read, message: "away", nowMs: STARTS_AT_MS, jitter: 0 });
		expect(nextCollectorMove(failed, STARTS_AT_MS)).toMatchObject({ kind: "wait" });
		expect(nextCollectorMove(flushedAt(ending, STARTS_AT_MS, "batch_1"), STARTS_AT_MS)).toEqual({ kind: "done" });
	});
});
