import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, describe, expect, test } from "vitest";
import { buildWorkflowBundle } from "../../workers/bundle.ts";

const FOLDER = path.join(import.meta.dirname, "histories/team-budget");
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

describe("recorded team workflows replay on the present code", () => {
	test.each(files)("%s", async (file) => {
		await Worker.runReplayHistory({ workflowBundle: bundle }, read(file), "team-budget/demo");
	});

	test("the recordings cover updates, signals, activities, a fired timer and continue-as-new", () => {
		const seen = new Set(files.flatMap((file) => read(file).events.map(({ eventType }) => eventType.replace("EVENT_TYPE_", ""))));
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
			read(`0.1.0-increase-${scenario}.json`).events.flatMap(({ eventType, workflowExecutionUpdateAcceptedEventAttributes: accepted }) =>
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
		const { events } = read("0.1.0-local-announcements-1.json");
		const kinds = events.map(({ eventType }) => eventType.replace("EVENT_TYPE_", ""));
		const crossing = kinds.lastIndexOf("WORKFLOW_EXECUTION_SIGNALED");
		expect(kinds.slice(crossing).filter((kind) => !kind.startsWith("WORKFLOW_TASK"))).toEqual([
			"WORKFLOW_EXECUTION_SIGNALED",
			"WORKFLOW_PROPERTIES_MODIFIED",
			"UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
			"MARKER_RECORDED",
		]);
	});

	test("a history the code would not have made is found out", async () => {
		const history = read(files[0]!);
		for (const event of history.events)
			if (event.activityTaskScheduledEventAttributes) event.activityTaskScheduledEventAttributes.activityType.name = "renamedActivity";
		await expect(Worker.runReplayHistory({ workflowBundle: bundle }, history, "team-budget/demo")).rejects.toBeInstanceOf(DeterminismViolationError);
	});
});
