import { expect, test } from "vitest";
import { COLLECT_AGE_MS, QUIET_MIN_MS } from "#domain/batching/collect.ts";
import { collectorPace } from "#domain/batching/collector-plan.ts";
import { reasonToTell, TOLD_AGAIN_MS, type Told } from "#domain/batching/collector-tell.ts";
import { collectingBatch, STARTS_AT_MS, type TestBatch } from "#test/support/collector-pictures.ts";

const LIMITS = { itemsMax: 100, bytesMax: 1_000_000, embeddingInputsMax: undefined, enqueuedTokensMax: undefined, itemOverheadBytes: 256 };
const TOLD: Told = { reason: "new", earliestDeadlineMs: null, atMs: STARTS_AT_MS };
const told = (of: Partial<Told> = {}): Told => ({ ...TOLD, ...of });
const reason = (batch: TestBatch, before: Told | undefined, nowMs = STARTS_AT_MS + 1) =>
	reasonToTell(collectingBatch(batch).tally, before, { ...collectorPace(1_000), nowMs, limits: LIMITS });

test("a batch that its collector does not know is told", () => {
	expect(reason({}, undefined)).toBe("new");
	expect(reason({}, told())).toBeUndefined();
});

test("a deadline before those that are known is told, and no later one", () => {
	const deadlineMs = STARTS_AT_MS + 3_600_000;
	expect(reason({ of: { deadlineMs } }, told())).toBe("deadline");
	expect(reason({ of: { deadlineMs } }, told({ earliestDeadlineMs: deadlineMs + 1 }))).toBe("deadline");
	expect(reason({ of: { deadlineMs } }, told({ earliestDeadlineMs: deadlineMs }))).toBeUndefined();
	expect(reason({}, told({ earliestDeadlineMs: deadlineMs }))).toBeUndefined();
});

test("that it is full, quiet or old is told once, and again after a minute without effect", () => {
	expect(reason({ items: 89 }, told())).toBeUndefined();
	expect(reason({ items: 90 }, told())).toBe("count");
	expect(reason({ items: 90 }, told({ reason: "count" }))).toBeUndefined();
	expect(reason({ items: 90 }, told({ reason: "count" }), STARTS_AT_MS + TOLD_AGAIN_MS)).toBe("count");
	expect(reason({ items: 2 }, told(), STARTS_AT_MS + QUIET_MIN_MS - 1)).toBeUndefined();
	expect(reason({ items: 2 }, told(), STARTS_AT_MS + QUIET_MIN_MS)).toBe("quiet");
	expect(reason({}, told(), STARTS_AT_MS + COLLECT_AGE_MS)).toBe("age");
});

test("how long items are collected is paced as the collector is", () => {
	const conditions = { ...collectorPace(100), limits: LIMITS };
	expect(reasonToTell(collectingBatch({ items: 2 }).tally, told(), { ...conditions, nowMs: STARTS_AT_MS + QUIET_MIN_MS / 10 })).toBe("quiet");
	expect(reasonToTell(collectingBatch({}).tally, told(), { ...conditions, nowMs: STARTS_AT_MS + COLLECT_AGE_MS / 10 })).toBe("age");
});
