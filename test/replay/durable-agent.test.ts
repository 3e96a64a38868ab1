import { beforeAll, describe, expect, test } from "vitest";
import { durableAgentBundle } from "#test/support/durable-agent.ts";
import { RecordedHistories } from "#test/support/replay.ts";

const histories = new RecordedHistories("durable-agent", { workflowId: "durable-agent/demo", buildBundle: durableAgentBundle });

beforeAll(() => histories.prepare());
const activitiesOf = (scenario: string): readonly string[] => histories.activities([`0.1.0-${scenario}.json`]);

describe("recorded agents replay on the present code", () => {
	test.each(histories.files)("%s", (file) => histories.replay(file));

	test("the recordings cover tools side by side, a pause and its end by a signal, a stop, an unknown outcome, a cancellation and a new run of the history", () => {
		expect(activitiesOf("tools-1")).toEqual(["registerRun", "callModel", "search", "search", "callModel", "finishRun"]);
		expect(activitiesOf("paused-1")).toEqual(["registerRun", "callModel", "search", "callModel", "readRun", "readRun", "callModel", "finishRun"]);
		expect(activitiesOf("stopped-1")).toEqual(["registerRun", "callModel", "search", "callModel"]);
		expect(activitiesOf("unknown-1")).toEqual(["registerRun", "callModel", "callModel", "finishRun"]);
		expect(activitiesOf("cancelled-1")).toEqual(["registerRun", "callModel", "search", "finishRun"]);
		expect(activitiesOf("rolled-1")).toEqual(["registerRun", "callModel", "search", "callModel", "search"]);
		expect(activitiesOf("rolled-2")).toEqual(["callModel", "finishRun"]);
		const seen = new Set(histories.kinds());
		for (const kind of ["TIMER_FIRED", "TIMER_CANCELED", "WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_CANCELED", "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"])
			expect(seen).toContain(kind);
	});

	test("a history the code would not have made is found out", () => histories.expectViolation(histories.files[0]!));
});
