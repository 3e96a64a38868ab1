import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("report", { workflowId: "report/recorded", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded workflows of reports replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover a run by schedule, one that was killed, and one with nothing to report", () => {
		for (const scenario of ["scheduled", "killed", "nothing"]) expect(histories.files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		expect(new Set(histories.activities())).toEqual(new Set(["prepareReports", "writeOrganizationReport", "writeTeamReports"]));
		expect(new Set(histories.kinds())).toContain("WORKFLOW_EXECUTION_COMPLETED");
	});

	test("a history the code would not have made is found out", () =>
		histories.expectViolation(histories.files.find((file) => file.includes("-scheduled-")) ?? ""));
});
