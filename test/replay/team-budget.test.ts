import { beforeAll, describe, expect, test } from "vitest";
import { RecordedHistories } from "#test/support/replay.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";

const histories = new RecordedHistories("team-budget", { workflowId: "team-budget/demo", buildBundle: testWorkflowBundle });

beforeAll(() => histories.prepare());

describe("recorded team workflows replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover updates, signals, activities, a fired timer and continue-as-new", () => {
		const seen = new Set(histories.kinds());
		for (const kind of [
			"WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
			"WORKFLOW_EXECUTION_SIGNALED",
			"ACTIVITY_TASK_COMPLETED",
			"TIMER_FIRED",
			"WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
		])
			expect(seen).toContain(kind);
	});

	test("the recordings of increases cover approval and its end, an end before the date, a line that a person asks for, rejection, expiry, two approvers at once, and a new run", () => {
		const updates = (scenario: string) =>
			histories
				.events(`0.1.0-increase-${scenario}.json`)
				.flatMap(({ eventType, workflowExecutionUpdateAcceptedEventAttributes: accepted }) =>
					eventType.endsWith("UPDATE_ACCEPTED") ? [accepted?.acceptedRequest?.input?.name] : eventType.endsWith("TIMER_FIRED") ? ["time"] : [],
				);
		expect(updates("approved-1")).toEqual(["requestIncrease", "decideIncrease", "time"]);
		expect(updates("ended-early-1")).toEqual(["requestIncrease", "decideIncrease", "endIncrease"]);
		expect(updates("line-asked-again-1")).toEqual(["decideIncrease", "requestIncrease", "decideIncrease", "decideIncrease"]);
		expect(updates("rejected-1")).toEqual(["requestIncrease", "decideIncrease"]);
		expect(updates("expired-1")).toEqual(["requestIncrease", "time"]);
		expect(updates("two-approvers-1")).toEqual(["requestIncrease", "decideIncrease", "decideIncrease"]);
		expect(updates("rolled-2")).toEqual(["requestIncrease"]);
	});

	test("the recordings cover an announcement within its workflow task, which schedules no activity, and search attributes in one command", () => {
		const kinds = histories.kinds(["0.1.0-local-announcements-1.json"]);
		const crossing = kinds.lastIndexOf("WORKFLOW_EXECUTION_SIGNALED");
		expect(kinds.slice(crossing).filter((kind) => !kind.startsWith("WORKFLOW_TASK"))).toEqual([
			"WORKFLOW_EXECUTION_SIGNALED",
			"WORKFLOW_PROPERTIES_MODIFIED",
			"UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
			"MARKER_RECORDED",
		]);
	});

	test("a history the code would not have made is found out", () => histories.expectViolation(histories.files[0]!));
});
