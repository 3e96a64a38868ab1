import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, describe, expect, test } from "vitest";
import { buildWorkflowBundle } from "../../workers/bundle.ts";

const FOLDER = path.join(import.meta.dirname, "histories/batch-collector");
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
let bundle: Awaited<ReturnType<typeof buildWorkflowBundle>>;

type HistoryEvent = {
	readonly eventType: string;
	readonly activityTaskScheduledEventAttributes?: { activityType: { name: string } };
	readonly timerStartedEventAttributes?: { startToFireTimeout: string };
};
const read = (file: string): { events: HistoryEvent[] } => JSON.parse(readFileSync(path.join(FOLDER, file), "utf8"));
const kindsOf = (file: string) => read(file).events.map(({ eventType }) => eventType.replace("EVENT_TYPE_", ""));
const activitiesOf = (file: string) => read(file).events.flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name ?? []);

beforeAll(async () => {
	Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
	bundle = await buildWorkflowBundle();
});

describe("recorded workflows of collectors replay on the present code", () => {
	test.each(files)("%s", async (file) => {
		await Worker.runReplayHistory({ workflowBundle: bundle }, read(file), "batch-collector/recorded");
	});

	test("the recordings cover every reason to send, no room, an outage of either length, an end by a person and by a quiet day, and continue-as-new", () => {
		for (const scenario of ["age", "full", "asked", "deadline", "room", "ending", "away", "gone", "idle", "rolled"])
			expect(files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		const kinds = new Set(files.flatMap(kindsOf));
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
		expect(new Set(files.flatMap(activitiesOf))).toContain("readCollector");
	});

	test("a history the code would not have made is found out", async () => {
		const history = read(files.find((file) => file.includes("-away-")) ?? "");
		for (const event of history.events)
			if (event.activityTaskScheduledEventAttributes) event.activityTaskScheduledEventAttributes.activityType.name = "renamedActivity";
		await expect(Worker.runReplayHistory({ workflowBundle: bundle }, history, "batch-collector/recorded")).rejects.toBeInstanceOf(DeterminismViolationError);
	});
});
