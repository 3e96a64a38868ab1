import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("close-month", { workflowId: "close-month/2026-10", buildBundle: testWorkflowBundle });
const monthEnds = new RecordedHistories("month-end", { workflowId: "month-end/recorded", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded closes of months replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));
	test.each(monthEnds.files)("%s", (file) => monthEnds.replay(file));

	test("the recordings cover a close without and with a person, a rejection, reminders, an outage, and months that are closed or not over", () => {
		for (const scenario of ["closed", "closed-before", "unfinished", "away", "approved", "rejected", "decided"])
			expect(histories.files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		const kinds = new Set([...histories.kinds(), ...monthEnds.kinds()]);
		for (const kind of [
			"WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
			"TIMER_FIRED",
			"ACTIVITY_TASK_COMPLETED",
			"WORKFLOW_EXECUTION_COMPLETED",
			"CHILD_WORKFLOW_EXECUTION_STARTED",
		])
			expect(kinds).toContain(kind);
	});

	test("a close of any size is a short history with small payloads", () => {
		for (const file of histories.files) {
			expect(histories.events(file).length).toBeLessThan(80);
			expect(JSON.stringify(histories.events(file)).length).toBeLessThan(80_000);
		}
	});

	test("a history the code would not have made is found out", () =>
		histories.expectViolation(histories.files.find((file) => file.includes("-approved-")) ?? ""));
});
