import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("batch-job", { workflowId: "batch-job/recorded", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded workflows of batches replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover a batch that completes, is split, expires, is cancelled, is found again or never was there, goes again, is charged and fails, goes in lanes, and continue-as-new", () => {
		for (const scenario of ["complete", "split", "expired", "cancelled", "found", "absent", "again", "failed", "unresolved", "rolled", "lanes"])
			expect(histories.files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		const kinds = new Set(histories.kinds());
		for (const kind of [
			"WORKFLOW_EXECUTION_SIGNALED",
			"WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
			"ACTIVITY_TASK_COMPLETED",
			"TIMER_FIRED",
			"UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
			"WORKFLOW_EXECUTION_COMPLETED",
			"WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
		])
			expect(kinds).toContain(kind);
		expect(new Set(histories.activities())).toEqual(
			new Set([
				...["askBatchCancel", "cancelBatchPart", "collectBatchPart", "createBatchPart", "dropBatchPart", "findBatchPart", "finishBatch"],
				...["pollBatchPart", "readBatchJob", "seekBatchPart", "sendItemsAgain", "uploadBatchPart", "writeBatchParts"],
				...["callRealTimePart", "chooseBatchLanes", "deliverAnswers", "hedgeBatchItems"],
			]),
		);
	});

	test("a history the code would not have made is found out", () => histories.expectViolation(histories.files.find((file) => file.includes("complete")) ?? ""));
});
