import { expect, test } from "vitest";
import { reduceCollector } from "#domain/batching/collector-reducer.ts";
import { emptyCollector } from "#domain/batching/collector-state.ts";
import { collectorPicture, collectorState, STARTS_AT_MS } from "#test/support/collector-pictures.ts";
import { collectorScope } from "#test/support/memory-collector.ts";
import { renderCollectorDetails } from "#workflows/batch-collector/details.ts";

const BYTES_MAX = 20_000;
const HOSTILE = '"한]|`*<b>\\\n\u0000\u0007\u202e\u2028\ud800';

test("what waits, since when, when it goes and why, and what the provider takes", () => {
	const deadlineMs = STARTS_AT_MS + 3 * 3_600_000;
	const state = collectorState([{ items: 3, of: { deadlineMs }, reachableDeadlineMs: deadlineMs }], { batchesLeft: 12 });
	expect(renderCollectorDetails(state, STARTS_AT_MS)).toBe(
		[
			"## Items of team search for openai/m-1: collecting",
			"",
			"Handed in alone for m-1, chat.completions; seen at 2027-01-15T08:00:00Z.",
			"",
			'To send what waits now: `flushNow` `{"by":"YOUR NAME"}`',
			"",
			"- `batch_1`: 3 items wait since 2027-01-15T08:00:00Z, 0.0000003 USD held, earliest deadline 2027-01-15T11:00:00Z. At 2027-01-15T08:15:00Z at the latest: its first item has waited long enough.",
			"",
			"Nine of ten of the provider's batches end within 120 minutes: 300 batches that ended lately, 4 that run.",
			"It takes 12 more within this hour.",
		].join("\n"),
	);
});

test("that nothing waits, what went last and that nothing is known of the provider is said", () => {
	const turnaround = { quantileMs: 86_400_000, source: "default", samples: 3, inFlight: 0 } as const;
	const state = reduceCollector(collectorState([{}], { turnaround }), { kind: "flushed", batchId: "batch_1", reason: "quiet", items: 5, nowMs: STARTS_AT_MS });
	const details = renderCollectorDetails(state, STARTS_AT_MS);
	expect(details).toContain("Nothing waits since 2027-01-15T08:00:00Z.");
	expect(details).toContain("Last sent: `batch_1` with 5 items at 2027-01-15T08:00:00Z: nothing came for a while. In all 1 batches, 5 items.");
	expect(details).toContain("within 1440 minutes: nothing is known (3 batches ended lately).");
});

test("what holds it up, and who wants it, is said before anything was read", () => {
	const asked = reduceCollector(emptyCollector(collectorScope()), { kind: "asked", by: "ann" });
	const failed = reduceCollector(asked, { kind: "failed", step: { kind: "read" }, message: "PostgreSQL is away", nowMs: STARTS_AT_MS, jitter: 0 });
	const details = renderCollectorDetails(failed, STARTS_AT_MS);
	expect(details).toContain("**Waits since 2027-01-15T08:00:00Z (read):** PostgreSQL is away");
	expect(details).toContain("ann wants everything to go now.");
});

test("names of any kind break nothing, and the most there can be stays below the server's limit", () => {
	const scope = collectorScope({ teamId: HOSTILE.repeat(50), model: HOSTILE.repeat(500), deployment: HOSTILE.repeat(500) });
	const batches = Array.from({ length: 16 }, (_, number) => ({
		batchId: `msgbatch_${number}${HOSTILE.repeat(20)}`,
		items: 3,
		of: { deadlineMs: STARTS_AT_MS },
	}));
	const read = reduceCollector(emptyCollector(scope), { kind: "read", picture: collectorPicture(batches), nowMs: STARTS_AT_MS });
	const failed = reduceCollector(reduceCollector(read, { kind: "asked", by: HOSTILE.repeat(50) }), {
		...{ kind: "failed", step: { kind: "read" }, message: HOSTILE.repeat(500), nowMs: STARTS_AT_MS, jitter: 0 },
	});
	const details = renderCollectorDetails(failed, STARTS_AT_MS);
	expect(Buffer.byteLength(JSON.stringify(details))).toBeLessThan(BYTES_MAX);
	expect(details).not.toMatch(/[\u0000\u0007\u202e\u2028<>]/u);
});
