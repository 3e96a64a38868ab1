import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, describe, expect, test } from "vitest";
import { durableAgentBundle } from "#test/support/durable-agent.ts";

const FOLDER = path.join(import.meta.dirname, "histories/durable-agent");
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
let bundle: WorkflowBundle;

type HistoryEvent = {
	readonly eventType: string;
	readonly activityTaskScheduledEventAttributes?: { activityType: { name: string } };
};
const read = (file: string): { events: HistoryEvent[] } => JSON.parse(readFileSync(path.join(FOLDER, file), "utf8"));
const activitiesOf = (scenario: string): string[] =>
	read(`0.1.0-${scenario}.json`).events.flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => (scheduled ? [scheduled.activityType.name] : []));

beforeAll(async () => {
	Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
	bundle = await durableAgentBundle();
});

describe("recorded agents replay on the present code", () => {
	test.each(files)("%s", async (file) => {
		await Worker.runReplayHistory({ workflowBundle: bundle }, read(file), "durable-agent/demo");
	});

	test("the recordings cover tools side by side, a pause and its end by a signal, a stop, an unknown outcome, a cancellation and a new run of the history", () => {
		expect(activitiesOf("tools-1")).toEqual(["registerRun", "callModel", "search", "search", "callModel", "finishRun"]);
		expect(activitiesOf("paused-1")).toEqual(["registerRun", "callModel", "search", "callModel", "readRun", "readRun", "callModel", "finishRun"]);
		expect(activitiesOf("stopped-1")).toEqual(["registerRun", "callModel", "search", "callModel"]);
		expect(activitiesOf("unknown-1")).toEqual(["registerRun", "callModel", "callModel", "finishRun"]);
		expect(activitiesOf("cancelled-1")).toEqual(["registerRun", "callModel", "search", "finishRun"]);
		expect(activitiesOf("rolled-1")).toEqual(["registerRun", "callModel", "search", "callModel", "search"]);
		expect(activitiesOf("rolled-2")).toEqual(["callModel", "finishRun"]);
		const seen = new Set(files.flatMap((file) => read(file).events.map(({ eventType }) => eventType.replace("EVENT_TYPE_", ""))));
		for (const kind of ["TIMER_FIRED", "TIMER_CANCELED", "WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_CANCELED", "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"])
			expect(seen).toContain(kind);
	});

	test("a history the code would not have made is found out", async () => {
		const history = read(files[0]!);
		for (const event of history.events)
			if (event.activityTaskScheduledEventAttributes) event.activityTaskScheduledEventAttributes.activityType.name = "renamedActivity";
		await expect(Worker.runReplayHistory({ workflowBundle: bundle }, history, "durable-agent/demo")).rejects.toBeInstanceOf(DeterminismViolationError);
	});
});
