import { expect, test } from "vitest";
import type { BatchRecord } from "#activities/batches/port.ts";
import { BATCH_STATES, type BatchState } from "#domain/batching/batch.ts";
import { renderMessageBatch } from "#gateway/batches/render-anthropic.ts";
import { renderOpenAiBatch } from "#gateway/batches/render-openai.ts";

const CREATED_AT_MS = 1_796_000_000_500;

function record(changes: Partial<BatchRecord> = {}): BatchRecord {
	return {
		batchId: `batch_${"A".repeat(24)}`,
		number: "7",
		origin: "caller",
		teamId: "demo",
		protocol: "openai",
		endpoint: "chat.completions",
		model: "gpt-4o",
		deployment: "openai/gpt-4o",
		provider: "openai",
		attribution: { keyId: "key1", feature: null, userId: null, environment: null, asserted: null, claimed: null },
		rules: { mayResubmit: false, mayRelane: false },
		state: "held",
		version: "1",
		items: 10,
		counts: { open: 10, succeeded: 0, errored: 0, expired: 0, cancelled: 0 },
		inputFileId: `file-${"A".repeat(24)}`,
		outputFileId: null,
		errorFileId: null,
		metadata: null,
		deadlineMs: null,
		priceVersion: 7,
		pricesAsOfMs: 0,
		heldNanoUsd: "0",
		settledNanoUsd: "0",
		createdAtMs: CREATED_AT_MS,
		runningSinceMs: null,
		finalizingSinceMs: null,
		endedAtMs: null,
		cancelAskedAtMs: null,
		problem: null,
		...changes,
	};
}

const STATUSES: Readonly<Record<BatchState, readonly [openai: string, asked: string, anthropic: string, asked: string]>> = {
	collecting: ["validating", "validating", "in_progress", "canceling"],
	held: ["validating", "cancelling", "in_progress", "canceling"],
	running: ["in_progress", "cancelling", "in_progress", "canceling"],
	cancelling: ["cancelling", "cancelling", "canceling", "canceling"],
	finalizing: ["finalizing", "cancelling", "in_progress", "canceling"],
	completed: ["completed", "completed", "ended", "ended"],
	expired: ["expired", "expired", "ended", "ended"],
	cancelled: ["cancelled", "cancelled", "ended", "ended"],
	failed: ["failed", "failed", "ended", "ended"],
};

test.each(BATCH_STATES)("%s, before and after its end was asked for", (state) => {
	const asked = record({ state, cancelAskedAtMs: CREATED_AT_MS });
	const plain = record({ state });
	expect([
		renderOpenAiBatch(plain).status,
		renderOpenAiBatch(asked).status,
		renderMessageBatch(plain, "").processing_status,
		renderMessageBatch(asked, "").processing_status,
	]).toEqual(STATUSES[state]);
});

test.each(["completed", "failed", "expired", "cancelled"] as const)("only one time of an end is given: %s", (state) => {
	const rendered = renderOpenAiBatch(
		record({ state, endedAtMs: CREATED_AT_MS + 9_000, runningSinceMs: CREATED_AT_MS + 1_000, finalizingSinceMs: CREATED_AT_MS + 8_000 }),
	);
	const { completed_at, failed_at, expired_at, cancelled_at } = rendered;
	const ends = { completed: completed_at, failed: failed_at, expired: expired_at, cancelled: cancelled_at };
	expect(Object.entries(ends).filter(([, at]) => at !== null)).toEqual([[state, 1_796_000_009]]);
	expect(rendered).toMatchObject({ created_at: 1_796_000_000, in_progress_at: 1_796_000_001, finalizing_at: 1_796_000_008, expires_at: 1_796_086_400 });
});

test("a batch whose unfinished items go again may take another window", () => {
	const again = record({ rules: { mayResubmit: true, mayRelane: false } });
	expect(renderOpenAiBatch(again).expires_at).toBe(1_796_000_000 + 2 * 86_400);
	expect(Date.parse(renderMessageBatch(again, "").expires_at)).toBe(CREATED_AT_MS + 2 * 86_400_000);
	expect(renderOpenAiBatch({ ...again, deadlineMs: CREATED_AT_MS + 5_000 }).expires_at).toBe(1_796_000_005);
	const windowsOf = (mayResubmit: boolean, mayRelane: boolean) =>
		((renderOpenAiBatch(record({ rules: { mayResubmit, mayRelane } })).expires_at ?? 0) - 1_796_000_000) / 86_400;
	expect([windowsOf(false, false), windowsOf(false, true), windowsOf(true, true)]).toEqual([1, 2, 3]);
});

test("a batch that the provider took nothing of says why", () => {
	const data = [{ code: "batch_failed", message: "The account has no batches.", param: null, line: null }];
	expect(renderOpenAiBatch(record({ state: "failed", problem: "The account has no batches." })).errors).toEqual({ object: "list", data });
	expect(renderOpenAiBatch(record({ state: "running", problem: "one part was sent again" })).errors).toBeNull();
});

test("what was not answered counts as failed for OpenAI, and by its reason for Anthropic, once all has ended", () => {
	const counts = { open: 1, succeeded: 4, errored: 2, expired: 2, cancelled: 1 };
	expect(renderOpenAiBatch(record({ state: "running", counts })).request_counts).toEqual({ total: 10, completed: 4, failed: 5 });
	expect(renderMessageBatch(record({ state: "running", counts }), "").request_counts).toEqual({
		processing: 10,
		succeeded: 0,
		errored: 0,
		canceled: 0,
		expired: 0,
	});
	const ended = renderMessageBatch(record({ state: "completed", counts }), "").request_counts;
	expect(ended).toEqual({ processing: 0, succeeded: 4, errored: 3, canceled: 1, expired: 2 });
	expect(Object.values(ended).reduce((sum, count) => sum + count)).toBe(10);
});

test("results have an address once there are some", () => {
	const batchId = `msgbatch_${"A".repeat(24)}`;
	const url = (changes: Partial<BatchRecord>) => renderMessageBatch(record({ batchId, ...changes }), "https://gateway.example").results_url;
	expect(url({ state: "running", outputFileId: "file-1" })).toBeNull();
	expect(url({ state: "completed" })).toBeNull();
	expect(url({ state: "completed", outputFileId: "file-1" })).toBe(`https://gateway.example/v1/messages/batches/${batchId}/results`);
	expect(url({ state: "expired", errorFileId: "file-1" })).toBe(`https://gateway.example/v1/messages/batches/${batchId}/results`);
});
