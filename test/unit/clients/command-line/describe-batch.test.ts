import { expect, test } from "vitest";
import type { BatchView } from "#clients/administration-client.ts";
import { batchTable, describeBatch, progressLine } from "#clients/command-line/describe-batch.ts";

const batch: BatchView = {
	...{ batchId: "batch_1", teamId: "search", state: "running", protocol: "openai", endpoint: "chat.completions", model: "m-1", provider: "openai" },
	...{ items: 100, counts: { open: 60, succeeded: 39, errored: 1, expired: 0, cancelled: 0 }, heldNanoUsd: "600000000", settledNanoUsd: "250000000" },
	...{ problem: null, createdAt: "2026-11-26T10:00:00Z", endedAt: null, cancelAskedAt: null, deployment: "openai/m-1", origin: "caller", keyId: "k1" },
	...{
		mayResubmit: false,
		mayRelane: false,
		inputFileId: "file-1",
		outputFileId: null,
		errorFileId: null,
		runningSince: "2026-11-26T10:00:05Z",
		workflow: null,
		deadline: null,
	},
	parts: [
		{
			part: 1,
			state: "collected",
			items: 40,
			bytes: 10,
			providerBatchId: "pb-1",
			submittedAt: "2026-11-26T10:00:04Z",
			endedAt: null,
			doneAtProvider: null,
			expiresAt: null,
		},
		{
			part: 2,
			state: "running",
			items: 60,
			bytes: 10,
			providerBatchId: "pb-2",
			submittedAt: "2026-11-26T10:00:04Z",
			endedAt: null,
			doneAtProvider: 12,
			expiresAt: "2026-11-27T10:00:04Z",
		},
	],
	progress: { next: "wait", nextAt: "2026-11-26T11:00:00Z", retries: 2, unresolved: 1, unknownLines: 0, trouble: null },
};

test("a batch is described with what it is, what it holds, its parts, and what can be done", () => {
	const lines = describeBatch(batch).split("\n");
	expect(lines).toContain("batch_1 of team search: running");
	expect(lines).toContain("  items    40 of 100 ended: 39 succeeded, 1 errored, 60 open");
	expect(lines).toContain("  money    held 0.60 USD, settled 0.25 USD");
	expect(lines).toContain("  job      next wait until 2026-11-26T11:00:00Z, 2 retries");
	expect(lines).toContain("  unknown  1 items are charged at their bounds: nobody knows what they cost");
	expect(lines.some((line) => /^2 +running +60 +pb-2 +12 +2026-11-26T10:00:04Z +2026-11-27T10:00:04Z$/.test(line))).toBe(true);
	expect(lines).toContain("End it: npx tollgate batch cancel batch_1");
	expect(lines.some((line) => line.includes("batch retry"))).toBe(false);
	const rule = "  rule     unfinished items go into another batch, once (batches.resubmit of its key)";
	expect(lines).not.toContain(rule);
	expect(describeBatch({ ...batch, mayResubmit: true }).split("\n")).toContain(rule);
	const inRealTime = "  rule     unfinished items go in real time (batches.relane of its key)";
	expect(describeBatch({ ...batch, mayRelane: true }).split("\n")).toContain(inRealTime);
	const both = "  rule     unfinished items go into another batch, once, then in real time (batches.resubmit and batches.relane of its key)";
	expect(describeBatch({ ...batch, mayResubmit: true, mayRelane: true }).split("\n")).toContain(both);
});

test("what holds it up is said, with what can be done about it", () => {
	const progress = {
		next: "wait",
		nextAt: null,
		retries: 3,
		unresolved: 0,
		unknownLines: 0,
		trouble: { since: "2026-11-26T10:30:00Z", step: "create", message: "busy" },
	};
	const text = describeBatch({ ...batch, progress });
	expect(text).toContain("  waits    since 2026-11-26T10:30:00Z (create): busy");
	expect(text).toContain("Try now what it waits for: npx tollgate batch retry batch_1");
	expect(progressLine({ ...batch, progress })).toBe(
		"running: 40 of 100 items ended, 12 more done at the provider, held 0.60 USD, settled 0.25 USD; waits (create): busy",
	);
});

test("one that has ended offers nothing", () => {
	const ended: BatchView = { ...batch, state: "completed", endedAt: "2026-11-26T12:00:00Z", progress: null };
	expect(describeBatch(ended)).not.toContain("npx tollgate");
	expect(batchTable([ended]).split("\n")[1]).toMatch(/^batch_1 +search +completed +m-1 +40 of 100 +0\.60 USD +0\.25 USD/);
	expect(batchTable([])).toBe("(none)");
});
