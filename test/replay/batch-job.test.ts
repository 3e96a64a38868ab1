import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, describe, expect, test } from "vitest";
import { buildWorkflowBundle } from "../../workers/bundle.ts";

const FOLDER = path.join(import.meta.dirname, "histories/batch-job");
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
let bundle: Awaited<ReturnType<typeof buildWorkflowBundle>>;

type HistoryEvent = {
	readonly eventType: string;
	readonly activityTaskScheduledEventAttributes?: { activityType: { name: string } };
	readonly workflowExecutionUpdateAcceptedEventAttributes?: { acceptedRequest?: { input?: { name?: string } } };
};
const read = (file: string): { events: HistoryEvent[] } => JSON.parse(readFileSync(path.join(FOLDER, file), "utf8"));
const kindsOf = (file: string) => read(file).events.map(({ eventType }) => eventType.replace("EVENT_TYPE_", ""));
const activitiesOf = (file: string) => read(file).events.flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name ?? []);

beforeAll(async () => {
	Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });
	bundle = await buildWorkflowBundle();
});

describe("recorded workflows of batches replay on the present code", () => {
	test.each(files)("%s", async (file) => {
		await Worker.runReplayHistory({ workflowBundle: bundle }, read(file), "batch-job/recorded");
	});

	test("the recordings cover a batch that completes, is split, expires, is cancelled, is found again or never was there, goes again, is charged and fails, goes in lanes, and continue-as-new", () => {
		for (const scenario of ["complete", "split", "expired", "cancelled", "found", "absent", "again", "failed", "unresolved", "rolled", "lanes"])
			expect(files.some((file) => file.includes(`-${scenario}-`))).toBe(true);
		const kinds = new Set(files.flatMap(kindsOf));
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
		expect(new Set(files.flatMap(activitiesOf))).toEqual(
			new Set([
				...["askBatchCancel", "cancelBatchPart", "collectBatchPart", "createBatchPart", "dropBatchPart", "findBatchPart", "finishBatch"],
				...["pollBatchPart", "readBatchJob", "seekBatchPart", "sendItemsAgain", "uploadBatchPart", "writeBatchParts"],
				...["callRealTimePart", "chooseBatchLanes", "deliverAnswers", "hedgeBatchItems"],
			]),
		);
	});

	test("a history the code would not have made is found out", async () => {
		const history = read(files.find((file) => file.includes("complete")) ?? "");
		for (const event of history.events)
			if (event.activityTaskScheduledEventAttributes) event.activityTaskScheduledEventAttributes.activityType.name = "renamedActivity";
		await expect(Worker.runReplayHistory({ workflowBundle: bundle }, history, "batch-job/recorded")).rejects.toBeInstanceOf(DeterminismViolationError);
	});
});
