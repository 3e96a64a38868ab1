import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("agent-run", { workflowId: "agent-run/recorded", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded workflows of agent runs replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover reports, every update, a refused decision, a reminder, an expired pause, an end and continue-as-new", () => {
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
		const events = histories.files.flatMap((file) => histories.events(file));
		const updates = events.flatMap(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => accepted?.acceptedRequest?.input?.name ?? []);
		expect(new Set(updates)).toEqual(new Set(["approveMore", "raiseRun", "resumeRun", "stopRun"]));
		expect(new Set(histories.activities())).toEqual(new Set(["decideRun", "remindRun"]));
	});

	test("a history the code would not have made is found out", () => histories.expectViolation(histories.files.find((file) => file.includes("decided")) ?? ""));
});
