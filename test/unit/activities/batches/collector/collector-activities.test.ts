import { expect, test } from "vitest";
import { createCollectorActivities } from "#activities/batches/collector/collector-activities.ts";
import { collectorScope, MemoryCollector } from "#test/support/memory-collector.ts";

const HOUR_MS = 3_600_000;
const scope = collectorScope();

test("a reading says what waits, what the provider takes yet, and what its batches take", async () => {
	const collector = new MemoryCollector(scope);
	collector.limits = { ...collector.limits, batchesPerHour: 5, enqueuedTokensMax: 900, embeddingInputsMax: 50 };
	Object.assign(collector, { submitted: 3, waitingTokens: 70 });
	const batchId = collector.add(2);
	expect(await collector.activities.readCollector({ scope })).toMatchObject({
		...{ batches: [{ batchId, tally: { items: 2 } }], batchesLeft: 2, enqueuedTokens: 70, realTimeP99Ms: 60, marginMs: 300 },
		...{ limits: { itemsMax: 100, enqueuedTokensMax: 900, embeddingInputsMax: 50 }, turnaround: { quantileMs: HOUR_MS, samples: 200 } },
	});
	collector.submitted = 9;
	expect(await collector.activities.readCollector({ scope })).toMatchObject({ batchesLeft: 0 });
});

test("of a provider without limits it says none", async () => {
	const read = await new MemoryCollector(scope).activities.readCollector({ scope });
	expect(read).toMatchObject({ batches: [], batchesLeft: null, limits: { embeddingInputsMax: null, enqueuedTokensMax: null } });
});

test("batches that were made more than an hour ago leave room", async () => {
	const collector = new MemoryCollector(scope);
	collector.limits = { ...collector.limits, batchesPerHour: 2 };
	const nowMs = Date.now();
	const readLoad = async () => ({ nowMs, submittedAtMs: [nowMs - HOUR_MS, nowMs - HOUR_MS + 1], waitingTokens: 0, partTokens: 0 });
	const { readCollector } = createCollectorActivities({ ...collector.dependencies, readLoad });
	expect(await readCollector({ scope })).toMatchObject({ batchesLeft: 1 });
});

test("a flush that nobody heard of is done, and one that came too late leaves what waits", async () => {
	const collector = new MemoryCollector(scope);
	const batchId = collector.add(3);
	const { flushCollector } = collector.activities;
	expect(await flushCollector({ batchId, version: "1", reason: "quiet" })).toEqual({ items: null });
	expect(await flushCollector({ batchId, version: "2", reason: "quiet" })).toEqual({ items: 3 });
	expect(await flushCollector({ batchId, version: "2", reason: "quiet" })).toEqual({ items: 3 });
	expect(collector.held).toHaveLength(1);
});
