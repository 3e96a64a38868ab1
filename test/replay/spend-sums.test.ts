import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("spend-sums", { workflowId: "spend-sums/recorded", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded workflows of the sums of spend replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover a run by schedule, days counted anew with a step that failed, and one that was refused", () => {
		for (const scenario of ["hourly", "recount", "archived"]) expect(histories.files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		expect(new Set(histories.activities())).toEqual(new Set(["countSpendBooked", "recountSpendDay"]));
		expect(new Set(histories.kinds())).toContain("WORKFLOW_EXECUTION_COMPLETED");
	});

	test("a history the code would not have made is found out", () =>
		histories.expectViolation(histories.files.find((file) => file.includes("-recount-")) ?? ""));
});
