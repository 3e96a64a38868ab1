import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("batch-collector", { workflowId: "batch-collector/recorded", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded workflows of collectors replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover every reason to send, no room, an outage of either length, an end by a person and by a quiet day, and continue-as-new", () => {
		for (const scenario of ["age", "full", "asked", "deadline", "room", "ending", "away", "gone", "idle", "rolled"])
			expect(histories.files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		const kinds = new Set(histories.kinds());
		for (const kind of [
			"WORKFLOW_EXECUTION_SIGNALED",
			"WORKFLOW_EXECUTION_CANCEL_REQUESTED",
			"WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
			"MARKER_RECORDED",
			"ACTIVITY_TASK_COMPLETED",
			"ACTIVITY_TASK_FAILED",
			"TIMER_FIRED",
			"UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
			"WORKFLOW_EXECUTION_COMPLETED",
			"WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
		])
			expect(kinds).toContain(kind);
		expect(new Set(histories.activities())).toContain("readCollector");
	});

	test("a history the code would not have made is found out", () => histories.expectViolation(histories.files.find((file) => file.includes("-away-")) ?? ""));
});
