import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, describe, expect, test } from "vitest";
import { buildWorkflowBundle } from "../../workers/bundle.ts";

const FOLDER = path.join(import.meta.dirname, "histories/agent-run");
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
let bundle: Awaited<ReturnType<typeof buildWorkflowBundle>>;

type HistoryEvent = {
	readonly eventType: string;
	readonly activityTaskScheduledEventAttributes?: { activityType: { name: string } };
	readonly workflowExecutionUpdateAcceptedEventAttributes?: { acceptedRequest?: { input?: { name?: string } } };
};
const read = (file: string): { events: HistoryEvent[] } => JSON.parse(readFileSync(path.join(FOLDER, file), "utf8"));

beforeAll(async () => {
	Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
	bundle = await buildWorkflowBundle();
});

describe("recorded workflows of agent runs replay on the present code", () => {
	test.each(files)("%s", async (file) => {
		await Worker.runReplayHistory({ workflowBundle: bundle }, read(file), "agent-run/recorded");
	});

	test("the recordings cover reports, every update, a refused decision, a reminder, an expired pause, an end and continue-as-new", () => {
		const events = files.flatMap((file) => read(file).events);
		const kinds = new Set(events.map(({ eventType }) => eventType.replace("EVENT_TYPE_", "")));
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
		const updates = events.flatMap(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => accepted?.acceptedRequest?.input?.name ?? []);
		expect(new Set(updates)).toEqual(new Set(["approveMore", "raiseRun", "resumeRun", "stopRun"]));
		const activities = events.flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name ?? []);
		expect(new Set(activities)).toEqual(new Set(["decideRun", "remindRun"]));
	});

	test("a history the code would not have made is found out", async () => {
		const history = read(files.find((file) => file.includes("decided")) ?? "");
		for (const event of history.events)
			if (event.activityTaskScheduledEventAttributes) event.activityTaskScheduledEventAttributes.activityType.name = "renamedActivity";
		await expect(Worker.runReplayHistory({ workflowBundle: bundle }, history, "agent-run/recorded")).rejects.toBeInstanceOf(DeterminismViolationError);
	});
});
